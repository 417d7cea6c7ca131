"""A difference in one sentence, and as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pratique.number_text import plural
from pratique.release.bounds import shown
from pratique.release.difference import Difference
from pratique.release.image_facts import Setting
from pratique.release.package_changes import PackageChange, count_changes
from pratique.release.sides import LayerSize

MARKS = {"down": "▼ down", "changed": "≠ changed", "up": "▲ up", "new": "+ new", "removed": "- removed"}
WORDS = {"down": "▼ down", "changed": "changed", "up": "up", "new": "new", "removed": "removed"}
IN_SENTENCE = ("up", "down", "changed", "new", "removed")
LISTED = 40
"""Lines of one part on a terminal; the JSON has all of them."""


def sentence(difference: Difference) -> str:
    """Return what differs in one sentence; it says so when something was not read."""
    parts = [_first(difference)] if difference.before.given.kind == "image" else []
    parts += [_packages(difference.packages)] if difference.packages else []
    parts += [runtime_text(change) for change in difference.runtimes]
    keys = len(difference.counting_settings())
    parts += [plural(keys, "key")] if keys else []
    files = len(difference.other_files())
    parts += [plural(files, "other file" if difference.packages else "file")] if files else []
    parts += [size_text(difference)] if difference.is_different and size_text(difference) else []
    if not difference.is_different:
        parts = [_no_difference(difference)]
    if difference.findings:
        parts.append(f"{plural(len(difference.findings), 'part')} not read")
    return "; ".join(parts)


def _first(difference: Difference) -> str:
    return difference.base.text


def _no_difference(difference: Difference) -> str:
    noise = difference.noise()
    told = f", except for {noise_text(noise)}" if noise else ""
    return f"no difference found{told}, but not everything was read" if difference.findings else f"the same{told}"


def _packages(changes: Sequence[PackageChange]) -> str:
    counts = count_changes(changes)
    total = counts.total()
    told = [f"{counts[change]:,} {WORDS[change]}" for change in IN_SENTENCE if counts[change]]
    first, *rest = told
    number, _, word = first.partition(" ")
    noun = "package" if total == 1 or number == "1" else "packages"
    return ", ".join([f"{number} {noun} {word}", *rest])


def runtime_text(change: PackageChange) -> str:
    """Return what became of a runtime: Java 21.0.4 → 21.0.5."""
    name = change.package.full_name
    if change.before is None or change.after is None:
        return f"{name} {change.version(change.before or change.after)} {WORDS[change.change]}"
    mark = "▼ " if change.change == "down" else ""
    return f"{mark}{name} {change.version(change.before)} → {change.version(change.after)}"


def size_text(difference: Difference) -> str:
    """Return how many bytes more the new layers have, and in how many layers; "" where that is not known."""
    changed = [layer for layer in difference.after.layers if not layer.is_shared]
    gone = [layer for layer in difference.before.layers if not layer.is_shared]
    if any(layer.bytes is None for layer in (*changed, *gone)):
        return ""
    more = _total(changed) - _total(gone)
    sign = "+" if more > 0 else "-" if more < 0 else "±"
    if difference.after.given.kind != "image":
        return f"{sign}{megabytes(abs(more))}"
    number = max(len(changed), len(gone))
    layers = max(len(difference.after.layers), len(difference.before.layers))
    return f"{sign}{megabytes(abs(more))} in {number} of {plural(layers, 'layer')}"


def _total(layers: Sequence[LayerSize]) -> int:
    return sum(layer.bytes or 0 for layer in layers)


def megabytes(number: float) -> str:
    """Return a number of bytes for people: 812 B, 4.2 kB, 4.2 MB."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:,.0f} B"


def noise_text(noise: dict[str, int]) -> str:
    """Return the kinds of noise with their numbers: "noise in 12 files (times 10, log 2)"."""
    kinds = ", ".join(f"{kind} {number:,}" for kind, number in sorted(noise.items(), key=lambda one: -one[1]))
    return f"noise in {plural(sum(noise.values()), 'file')} ({kinds})"


def summary_lines(difference: Difference) -> Iterator[str]:
    """Yield the lines for a terminal: the sentence, then each part that differs."""
    yield sentence(difference)
    parts = (
        ("runtimes", [package_line(change) for change in difference.runtimes]),
        ("packages", [package_line(change) for change in difference.packages]),
        ("configuration", [setting_line(setting) for setting in difference.counting_settings()]),
        ("layers", list(_layers(difference))),
        ("files", list(_files(difference))),
        ("notes", list(difference.notes)),
        ("not read", [f"{found.side}: {found.unread.what}: {found.unread.reason}" for found in difference.findings]),
    )
    for title, lines in parts:
        if lines:
            yield f"\n{title}"
            yield from (f"  {line}" for line in lines[:LISTED])
            if len(lines) > LISTED:
                yield f"  … and {len(lines) - LISTED:,} more: --json lists them all"


def package_line(change: PackageChange) -> str:
    """Return one package: what became of it, its kind and name, and its versions."""
    package = change.package
    versions = f"{change.version(change.before)} → {change.version(change.after)}"
    if change.before is None or change.after is None:
        versions = change.version(change.before or change.after)
    kind = "" if package.kind == "runtime" else f"{package.kind} "
    return f"{MARKS[change.change]:<10} {kind}{shown(package.full_name)}  {versions}"


def setting_line(setting: Setting) -> str:
    """Return one key with its values; of a secret, and of values that look alike when masked, only that it changed."""
    where = setting.part if setting.part == setting.key else f"{setting.part} {setting.key}"
    if setting.before == setting.after:
        return f"{where}  changed"
    return f"{where}  {_value(setting.before)} → {_value(setting.after)}"


def _value(value: str | None) -> str:
    return "–" if value is None else value or '""'


def _layers(difference: Difference) -> Iterator[str]:
    if difference.after.given.kind != "image":
        return
    for mark, side in (("-", difference.before), ("+", difference.after)):
        for layer in side.layers:
            if not layer.is_shared:
                size = "not read" if layer.bytes is None else megabytes(layer.bytes)
                yield f"{mark} {size:>9}  {layer.command[:100] or layer.diff_id[:19]}"


def _files(difference: Difference) -> Iterator[str]:
    for package, counts in difference.folded_files().items():
        yield f"{plural(counts.total(), 'file')} of {package}: {', '.join(f'{n:,} {change}' for change, n in counts.items())}"
    for file in difference.other_files():
        sizes = [megabytes(size) for size in (file.before, file.after) if size is not None]
        yield f"{file.change:<8} {file.path}  {' → '.join(sizes)}".rstrip()
    if difference.noise():
        yield f"not listed: {noise_text(difference.noise())}"
    if difference.files.unknown:
        yield f"not known: {plural(difference.files.unknown, 'file')} that only one side has, because the other was not read completely"
