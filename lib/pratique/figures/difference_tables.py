"""Tables of a release difference: packages, configuration and files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pratique.figures.labels import label
from pratique.figures.panels import SCROLL_ROWS, Panel
from pratique.number_text import plural
from pratique.release.difference import Difference
from pratique.release.difference_text import MARKS, megabytes, noise_text, package_line, setting_line
from pratique.release.file_changes import FileChange
from pratique.release.image_facts import Setting
from pratique.release.package_changes import PackageChange

MOST_ROWS = 500
PACKAGES = ("package", "change", "before", "after")
KEYS = ("key", "change", "before", "after")
FILES = ("file", "change", "before", "after")
KINDS = {
    "deb": "Debian",
    "apk": "Alpine",
    "rpm": "RPM",
    "pypi": "Python",
    "maven": "Java",
    "npm": "Node",
    "runtime": "runtime",
}
CLASSES = {"down": "worse", "changed": "suspect"}
"""Change → class of the row."""


def package_changes(difference: Difference) -> Panel:
    """Show the runtimes and packages that differ, downgrades first."""
    changes = [*difference.runtimes, *difference.packages]
    rows = [(CLASSES.get(change.change, ""), _package(change)) for change in changes]
    return _table(PACKAGES, rows, [package_line(change) for change in changes], "No package and no runtime differs.")


def configuration_changes(difference: Difference) -> Panel:
    """Show the keys of the images and of the service file that differ; values of secrets are never shown."""
    settings = difference.counting_settings()
    note = "" if not difference.notes else f" {' '.join(difference.notes)}."
    rows = [("", _setting(setting)) for setting in settings]
    return _table(KEYS, rows, [setting_line(setting) for setting in settings], f"No key differs.{note}")


def file_changes(difference: Difference, *, listed: bool = True) -> Panel:
    """Show the files that differ: folded into their packages, then those of no package, then noise by its kinds.

    listed: whether the files of no package are listed one by one.
    """
    folded = [
        (f"<strong>{label(package, 80)}</strong>", ", ".join(f"{n:,} {change}" for change, n in counts.items()), "", "")
        for package, counts in difference.folded_files().items()
    ]
    others = difference.other_files()
    rows = [("", row) for row in folded] + [("", _file(change)) for change in others if listed]
    notes = [] if listed or not others else [f"{plural(len(others), 'file')} of no package not listed"]
    notes += [f"not listed: {noise_text(difference.noise())}"] if difference.noise() else []
    if difference.files.unknown:
        notes.append(f"not known: {plural(difference.files.unknown, 'file')} that only one side has")
    lines = [f"{package}: {counts.total():,}" for package, counts in difference.folded_files().items()]
    lines += [f"{change.change} {change.path}" for change in others if listed]
    return _table(FILES, rows, [*lines, *notes], "No file differs.", notes)


def _table(
    head: Sequence[str],
    rows: Sequence[tuple[str, Sequence[str]]],
    lines: Iterable[str],
    nothing: str,
    notes: Sequence[str] = (),
) -> Panel:
    """Make a table. rows: class and cells, escaped. lines: for a terminal. nothing: said when there is no row."""
    more = [f"and {len(rows) - MOST_ROWS:,} more in the JSON"] if len(rows) > MOST_ROWS else []
    told = "".join(f"<p>{label(note, 300)}</p>" for note in (*more, *notes))
    if not rows:
        return Panel(f'<div class="findings"><p>{label(nothing, 300)}</p>{told}</div>', "\n".join([nothing, *notes]))
    titles = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "".join(f'<tr class="{kind}">{_cells(head, cells)}</tr>' for kind, cells in rows[:MOST_ROWS])
    long = " long" if len(rows) > SCROLL_ROWS else ""
    html = (
        f'<div class="scroll{long}"><table class="guards"><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'
        f'<div class="findings">{told}</div>'
    )
    return Panel(html, "\n".join(lines))


def _cells(head: Sequence[str], cells: Sequence[str]) -> str:
    first, *rest = cells
    others = "".join(f'<td title="{name}">{value or "–"}</td>' for name, value in zip(head[1:], rest, strict=True))
    return f'<th scope="row">{first}</th>{others}'


def _package(change: PackageChange) -> tuple[str, str, str, str]:
    package = change.package
    name = f"<strong>{label(package.full_name, 80)}</strong> <small>{KINDS[package.kind]}</small>"
    return name, MARKS[change.change], label(change.version(change.before), 60), label(change.version(change.after), 60)


def _setting(setting: Setting) -> tuple[str, str, str, str]:
    key = "" if setting.key == setting.part else label(setting.key, 80)
    name = f"<strong>{key or label(setting.part, 30)}</strong>" + (
        f" <small>{label(setting.part, 30)}</small>" if key else ""
    )
    return name, setting.change, *(label(value or "", 120) for value in (setting.before, setting.after))  # type: ignore[return-value] # two of them


def _file(change: FileChange) -> tuple[str, str, str, str]:
    before, after = ("" if size is None else megabytes(size) for size in (change.before, change.after))
    return f"<code>{label(change.path, 120)}</code>", change.change, before, after
