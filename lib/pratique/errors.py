"""The errors that a user can fix, each with the exit status of the command line.

    PratiqueError            70
    ├── UsageError           64  wrong arguments, an unknown name
    ├── DataError            65  input in a wrong or corrupt format
    │   └── RetentionError   65  rows that are older than the store keeps
    ├── MissingError         66  a file, service, revision or time range that does not exist
    ├── UnavailableError     69  a store, balancer, collector or release that does not answer
    ├── StorageError         74  a full or broken disk
    ├── BusyError            75  another process holds the lock: try again later
    ├── DeniedError          77  missing permissions
    └── ConfigError          78  an invalid service file

The statuses are those of BSD's sysexits.h. A message is one line: what failed, with which input,
what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Self

LISTED = 20
"""How many of the known names an error lists."""


class PratiqueError(Exception):
    """Base of every error of this package; catching it catches them all."""

    exit_status = 70

    def __str__(self) -> str:
        return " ".join(super().__str__().split())

    @classmethod
    def unknown(cls, kind: str, name: str, known: Iterable[str], *, where: str = "", hint: str = "") -> Self:
        """Return the error for a name that does not exist, with the names that do: of more than 20, those like it, else the last 20.

        kind: the kind of thing, such as "revision". where: such as "in the store". hint: another way to fix it.
        """
        names = list(known)
        listed = (get_close_matches(name, names, LISTED, 0.7) if len(names) > LISTED else ()) or names[-LISTED:]
        others = f", or one of {len(names) - len(listed)} others" if len(listed) < len(names) else ""
        choices = [f"choose one of {', '.join(listed)}{others}"] if names else [f"there is no {kind} yet"]
        there = f" {where}" if where else ""
        return cls(f"no {kind} {name[:80]!r}{there}: {'; '.join(choices + ([hint] if hint else []))}")


class Interrupted(KeyboardInterrupt):
    """SIGTERM, where Ctrl-C raises KeyboardInterrupt. Neither is an Exception: `except Exception` must not swallow it."""


class UsageError(PratiqueError):
    """The call itself is wrong: an argument, an option, a parameter, an unknown name."""

    exit_status = 64


class DataError(PratiqueError):
    """The input has a wrong format or is corrupt, such as a truncated file."""

    exit_status = 65


class RetentionError(DataError):
    """Rows are older than the store keeps. It has stored the other rows, and would refuse the same ones again."""


class MissingError(PratiqueError):
    """A file, service or revision does not exist, or a time range has no requests."""

    exit_status = 66


class UnavailableError(PratiqueError):
    """A store, balancer, collector or release does not answer."""

    exit_status = 69


class StorageError(PratiqueError):
    """The disk is full or broken. Data that was written before is kept."""

    exit_status = 74


class BusyError(PratiqueError):
    """Another process holds the lock. The message names the holder and the reason."""

    exit_status = 75


class DeniedError(PratiqueError):
    """Permissions are missing. The message names the path."""

    exit_status = 77


class ConfigError(PratiqueError):
    """The service file is invalid. The message names file, line and key."""

    exit_status = 78
