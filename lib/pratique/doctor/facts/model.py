"""The facts of one host in named parts. A part that could not be read has its reason instead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pratique.doctor.finding import LONGEST, NotLookedAtError
from pratique.masked_text import masked
from pratique.printable_text import printable

LOCAL = "local"
RECORDS = "records"
"""The name from Pratique's records, which stand beside the hosts."""


@dataclass(frozen=True)
class HostFacts:
    """The facts of one host, never written anywhere: they hold environments. address: of its engine, "" for the local one.

    parts: by name. missing: the reason for each part that was not read. at: when, UTC.
    """

    address: str
    parts: Mapping[str, Any]
    missing: Mapping[str, str]
    at: datetime

    @property
    def name(self) -> str:
        """The name of the host for people."""
        return host_name(self.address)

    def part(self, name: str) -> Any:
        """Return a part. Raises: NotLookedAtError with the reason why it was not read."""
        if name in self.parts:
            return self.parts[name]
        raise NotLookedAtError(self.missing.get(name, f"{name} was not read"))


def host_name(address: str) -> str:
    """Return the name of a host for people.

    >>> host_name(""), host_name("ssh://root@web1"), host_name("unix:///run/a.sock")
    ('local', 'root@web1', '/run/a.sock')
    """
    return printable(address.removeprefix("ssh://").removeprefix("unix://") or LOCAL, 120)


@dataclass
class PartStore:
    """The parts of a host while they are being read, by several threads."""

    parts: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, name: str, ask: Callable[[], Any]) -> Any:
        """Keep what `ask` returns under a name, or the reason why it failed; return it, or None."""
        try:
            value = ask()
        except Exception as error:  # noqa: BLE001 - whatever an engine or host answers: the other parts are still read
            self.miss((name,), reason_of(error))
            return None
        self.keep(name, value)
        return value

    def keep(self, name: str, value: Any) -> None:
        """Keep a part."""
        with self._lock:
            self.parts[name] = value
            self.missing.pop(name, None)

    def miss(self, names: Iterable[str], reason: str) -> None:
        """Keep the reason for parts that are not there."""
        with self._lock:
            self.missing |= {name: reason for name in names if name not in self.parts}

    def facts(self, address: str, at: datetime, *, names: Iterable[str], reason: str) -> HostFacts:
        """Return what is there now. reason: for each of `names` that is still being read."""
        with self._lock:
            missing = {name: reason for name in names if name not in self.parts} | self.missing
            return HostFacts(address, dict(self.parts), missing, at)


def reason_of(error: Exception) -> str:
    """Return an error as a reason on one line, without control characters and secrets."""
    text = " ".join(str(error).split()) or type(error).__name__
    return printable(masked(text), LONGEST["reason"])
