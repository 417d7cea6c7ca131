"""Which files differ, to which package each belongs, and which of them are noise."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pratique.release.bounds import Unread, shown
from pratique.release.layers import FILE, Entry
from pratique.release.packages import kind_of
from pratique.release.packages.java import ARCHIVES, RELEASE
from pratique.release.packages.python import normalized
from pratique.release.sides import Side, needs_digest, zip_contents

NOISE = (
    ("bytecode", re.compile(r"/__pycache__(/|$)|\.py[co]$")),
    ("package database", re.compile(r"^/var/lib/dpkg/|^/(usr/)?lib/apk/|^/(var/lib|usr/lib/sysimage|usr/share)/rpm/|^/var/lib/(apt|pip|dnf|yum)/|\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json)$")),
    ("cache", re.compile(r"^/var/cache/|^/etc/ld\.so\.cache$|/\.cache(/|$)|/\.npm(/|$)|/node_modules/\.package-lock\.json$")),
    ("log", re.compile(r"^/var/log/|\.log$")),
    ("temporary", re.compile(r"^/(var/)?tmp/")),
    ("backup", re.compile(r"^/etc/(passwd|group|shadow|gshadow)-$")),
)  # fmt: skip
"""Kind of noise → paths. A file that only has another time of change is noise too."""
TIMES = "times"
_METADATA = re.compile(r"/([^/]+?)-[^/]+\.(?:dist|egg)-info/")
_NODE = re.compile(r"^.*/node_modules/((?:@[^/]+/)?[^/@][^/]*)/")


@dataclass(frozen=True)
class FileChange:
    """One file that differs. change: "new", "removed", "changed", "mode", "owner", "type" or "link".

    before, after: bytes, None where it is not there or is no file. package: "deb openssl", "" for a file of none.
    noise: kind of noise, "" for a file that counts.
    """

    path: str
    change: str
    before: int | None
    after: int | None
    package: str = ""
    noise: str = ""

    def to_json(self) -> dict[str, str | int | None]:
        """Return the file as plain JSON values."""
        return {
            "path": self.path, "change": self.change, "bytes_before": self.before, "bytes_after": self.after,
            "package": self.package, "noise": self.noise,
        }  # fmt: skip


@dataclass(frozen=True)
class FileChanges:
    """All files that differ. noise: kind → number. unread: pairs that could not be compared. unknown: files that only
    one side has, while the other was not read whole.
    """

    changes: tuple[FileChange, ...] = ()
    noise: Mapping[str, int] | None = None
    unread: tuple[Unread, ...] = ()
    unknown: int = 0

    def counting(self) -> list[FileChange]:
        """Return the files that are no noise."""
        return [change for change in self.changes if not change.noise]


def compare_files(before: Side, after: Side, digests: Mapping[int, bytes]) -> FileChanges:
    """Return the files that differ. digests: of files in shared layers, by the id of their entry."""
    found: dict[str, tuple[str, Entry | None, Entry | None]] = {}
    noise: Counter[str] = Counter()
    unread: list[Unread] = []
    unknown = 0
    for left, right in zip_contents(before.contents, after.contents):
        path = left[0] if left else right[0] if right else ""
        one, other = (left[1] if left else None), (right[1] if right else None)
        if one is not None and other is not None:
            change = _change(one, other, digests)
            if change == TIMES:
                noise[TIMES] += 1
            elif change is None:
                unread.append(Unread("files", shown(path), "its content was not compared"))
            elif change:
                found[path] = (change, one, other)
        elif not (before.is_whole if one is None else after.is_whole):
            unknown += 1
        else:
            found[path] = ("new" if one is None else "removed", one, other)
    # a folder that came or went counts by its content
    parents = {path.rpartition("/")[0] for path in found}
    kept = sorted(
        path for path, (change, *_) in found.items() if path not in parents or change not in {"new", "removed"}
    )
    owners = _owners(kept, before, after)
    changes = tuple(_file(path, *found[path], owners.get(path, "")) for path in kept)
    noise.update(change.noise for change in changes if change.noise)
    return FileChanges(changes, dict(noise), tuple(unread), unknown)


def _change(one: Entry, other: Entry, digests: Mapping[int, bytes]) -> str | None:
    """Return what differs, "" if nothing does, and None if that is not known."""
    if one is other or one.kind != other.kind:
        return "" if one is other else "type"
    if one.kind == FILE:
        hashes = [entry.digest or digests.get(id(entry), b"") for entry in (one, other)]
        if one.size == other.size and needs_digest(one, other) and not all(hashes):
            return None
        if one.size != other.size or hashes[0] != hashes[1]:
            return "changed"
    marks = (
        ("link", "target"),
        ("mode", "mode"),
        ("owner", "owner"),
        *(((TIMES, "time"),) if one.kind == FILE else ()),
    )
    return next((change for change, name in marks if getattr(one, name) != getattr(other, name)), "")


def _file(path: str, change: str, one: Entry | None, other: Entry | None, package: str) -> FileChange:
    before, after = (entry.size if entry is not None and entry.kind == FILE else None for entry in (one, other))
    kinds = (name for name, pattern in NOISE if pattern.search(path))
    return FileChange(shown(path), change, before, after, shown(package), next(kinds, ""))


def _owners(paths: Iterable[str], before: Side, after: Side) -> dict[str, str]:
    """Return the package of each path that belongs to one on either side."""
    wanted: dict[int, str] = {}
    found: dict[str, str] = {}
    for path in paths:
        # packages name their files by the folders before /bin and /lib were merged into /usr
        wanted |= {hash(path): path, hash(path.removeprefix("/usr")): path}
        if path.endswith(ARCHIVES):
            found[path] = f"maven {path.rpartition('/')[2]}"
        elif inside := _NODE.match(path):
            found[path] = f"npm {inside[1]}"
        elif inside := _METADATA.search(path):
            found[path] = f"pypi {normalized(inside[1])}"
    for side in (before, after) if wanted else ():
        for path, facts in side.facts:
            if path.endswith(RELEASE) and facts.packages:
                # a Java runtime is the folder of its file `release`
                home = path.removesuffix(RELEASE)
                found |= {one: "runtime Java" for one in wanted.values() if one.startswith(f"{home}/")}
            for name, hashes in facts.owned:
                for one in wanted.keys() & hashes:
                    found.setdefault(wanted[one], f"{kind_of(path)} {name}")
    return found


def own_name(package: str) -> str:
    """Return the name under which files of a package are folded."""
    kind, _, name = package.partition(" ")
    return f"{kind} {normalized(name)}" if kind == "pypi" else package
