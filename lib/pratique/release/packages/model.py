"""What a file tells about packages: a package, and the facts of one file."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One installed package.

    kind: "deb", "apk", "rpm", "pypi", "maven", "npm" or "runtime" (Java, Python, Node, Tomcat).
    version: "" where none is known; then `content`, a hash of the file, tells two apart.
    group: the publisher in the package's URL: groupId, npm's scope, or the distribution.
    """

    kind: str
    name: str
    version: str
    architecture: str = ""
    group: str = ""
    content: str = ""

    @property
    def full_name(self) -> str:
        """The name with the group, as its own tools write it."""
        if self.group and self.kind in {"maven", "npm"}:
            return f"{self.group}{':' if self.kind == 'maven' else '/'}{self.name}"
        return self.name


@dataclass(frozen=True, slots=True)
class Facts:
    """What one file tells. owned: package name → hashes of the absolute paths that belong to it.

    unread: why a part of the file is not known, and the kind of packages that are missing because of it.
    system: os-release, key → value.
    """

    packages: tuple[Package, ...] = ()
    owned: tuple[tuple[str, array[int]], ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    system: tuple[tuple[str, str], ...] = ()


def paths_of(paths: Iterable[str]) -> array[int]:
    """Return hashes of absolute paths, which take 8 bytes each instead of a text. They are good in one process only."""
    return array("q", {hash(path) for path in paths})


def text_of(content: bytes) -> str:
    """Return the text of a file; bytes that are not UTF-8 are replaced."""
    return content.decode("utf-8", "replace")


def fields_of(text: str) -> dict[str, str]:
    """Return the fields of one paragraph "Name: value" by their names in lower case; the first of each counts."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            break
        name, colon, value = line.partition(":")
        if colon and not line[0].isspace():
            found.setdefault(name.strip().lower(), value.strip())
    return found
