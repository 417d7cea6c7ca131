"""Bounds for reading images and release directories, which anybody may have made, and the finding when one is reached."""

from __future__ import annotations

import time
from dataclasses import dataclass

from pratique.printable_text import printable

LONGEST_READ = 1 << 20
"""Bytes of one read; only the header of a member asks for more, and no honest header has that many."""
LONGEST_HEADER = 1 << 15
"""Bytes of an extended header. tarfile's patterns take quadratic time in them."""
LONGEST_SHOWN = 200


@dataclass(frozen=True)
class Limits:
    """What may be read of one image or directory.

    members: entries of all layers. name_bytes: of all their names. file_bytes: of a file that is parsed.
    unpacked_bytes: of all layers. ratio: unpacked to packed bytes of a layer. jar_depth: archives in archives.
    path_depth: folders above a file. links: hops of links. budget_s: seconds for both sides together.
    """

    members: int = 300_000
    name_bytes: int = 64 << 20
    file_bytes: int = 64 << 20
    unpacked_bytes: int = 8 << 30
    ratio: int = 100
    jar_depth: int = 2
    path_depth: int = 255
    links: int = 40
    budget_s: float = 60.0


class NotRead(Exception):  # noqa: N818 - it never leaves this package: it becomes a finding
    """Something that is not read, and why."""


@dataclass(frozen=True)
class Unread:
    """A finding: something that was not read, so that nothing may be called unchanged there.

    part: "files", "packages", "configuration" or "image". what: the layer or file, made printable. reason: why not.
    kind: for packages, the kind that is not known ("rpm"); "" for every kind.
    """

    part: str
    what: str
    reason: str
    kind: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the finding as plain JSON values."""
        return {"part": self.part, "what": self.what, "reason": self.reason, "kind": self.kind}


def shown(name: str) -> str:
    """Return a name of unknown origin for people: printable and not long."""
    return printable(name, LONGEST_SHOWN)


class Deadline:
    """The time that both sides share. Seconds are counted from its making."""

    def __init__(self, budget_s: float) -> None:
        self.budget_s = budget_s
        self._end = time.monotonic() + budget_s

    def left_s(self) -> float:
        """Return the seconds that are left, 0 when there are none."""
        return max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Raises: NotRead when the time is over."""
        if self.left_s() == 0:
            raise NotRead(f"the time limit of {self.budget_s:g} s was reached: raise it with --budget")


class Budget:
    """How much of the limits one side has used."""

    def __init__(self, limits: Limits, deadline: Deadline) -> None:
        self.limits = limits
        self.deadline = deadline
        self.members = 0
        self.name_bytes = 0
        self.bytes = 0

    def member(self, name: str) -> None:
        """Count one member. Raises: NotRead."""
        self.members += 1
        self.name_bytes += len(name)
        if self.members > self.limits.members:
            raise NotRead(f"more than {self.limits.members:,} files")
        if self.name_bytes > self.limits.name_bytes:
            raise NotRead(f"names of more than {self.limits.name_bytes >> 20} MiB")
        if self.members % 256 == 0:
            self.deadline.check()

    def spend(self, number: int) -> None:
        """Count unpacked bytes. Raises: NotRead."""
        self.bytes += number
        if self.bytes > self.limits.unpacked_bytes:
            raise NotRead(f"more than {self.limits.unpacked_bytes >> 30} GiB unpacked")
