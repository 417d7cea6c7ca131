"""The key under which a received line counts in its window, within bounds on distinct names.

Lines come from the network: whoever reaches the collector can make up services, revisions, actions and hosts. Only declared
services are stored. Beyond a bound, a revision, action or host counts as OTHER, except a revision that the ledger knows.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import replace

from pratique.config import Config
from pratique.config.telemetry import HostSource
from pratique.errors import PratiqueError
from pratique.ledger import open_ledger
from pratique.telemetry.access_line import NONE, AccessLine
from pratique.telemetry.actions import Actions
from pratique.telemetry.aggregate import Key, Window
from pratique.telemetry.cardinality import OTHER, RecentNames

MOST_SERVICES = 20
"""Services that are stored when the service file names none."""
MOST_REVISIONS = 50
"""Revisions of a service in use at a time, besides those that the ledger knows."""
MOST_HOSTS = 200
"""Hosts of a service in use at a time."""
MOST_KEYS = 5000
"""Keys of a service in a window, from which a new one counts without its action and host."""
MOST_KEYS_IN_MEMORY = 50_000
"""The same for all windows and services together."""
LEDGER_S = 2.0
"""Time between two looks at the ledger."""
SERVER = re.compile(r"\[?([A-Za-z0-9._:-]{1,100}?)\]?:[0-9]{1,5}")
"""An address, "host:port"."""


def host_of(line: AccessLine, source: HostSource) -> str:
    """Return the host that a line counts under: the one that it names, or the server that answered, where it tells that."""
    found = SERVER.fullmatch(line.instance) if source != "line" else None
    if found is None:
        return line.host
    return found[1] if source == "server" else line.instance


class LineKeys:
    """Map lines to keys. folded: lines that count under OTHER because there were too many names."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._host_from = config.telemetry.host_from
        self._declared = frozenset({*config.services, config.telemetry.httplog.service} - {""})
        self._services: dict[str, _ServiceNames] = {}
        self._in_memory = 0
        self.folded = 0

    @property
    def services(self) -> frozenset[str]:
        """The services whose lines are stored: those that the service file names, else those seen."""
        return self._declared or frozenset(self._services)

    def takes(self, service: str) -> bool:
        """Whether lines of a service are stored: the service file names it, or names none."""
        if self._declared:
            return service in self._declared
        return service in self._services or len(self._services) < MOST_SERVICES

    def key(self, line: AccessLine, window: Window) -> Key:
        """Return the key of a line in its window."""
        if self._host_from != "line":
            line = replace(line, host=host_of(line, self._host_from))
        names = self._services.get(line.service)
        if names is None:
            names = self._services[line.service] = _ServiceNames(self._config, line.service)
        key = names.key(line)
        if key not in window.cells:
            if window.keys[line.service] >= MOST_KEYS or self._in_memory >= MOST_KEYS_IN_MEMORY:
                key = names.folded_key(key)
            self._in_memory += 1
        self.folded += (key[1], key[4]) != (line.revision, line.host)
        return key

    def forget(self, before_ms: int, in_memory: int) -> None:
        """Drop names last used before a time. in_memory: the number of keys in all windows."""
        self._in_memory = in_memory
        for names in self._services.values():
            names.forget(before_ms)


class _ServiceNames:
    """The names of one service."""

    def __init__(self, config: Config, service: str) -> None:
        known = config.services.get(service)
        self._service = service
        self._actions = Actions(known.actions if known else ())
        self._released = _ReleasedRevisions(config, service)
        self._revisions = RecentNames(MOST_REVISIONS, self._released)
        self._hosts = RecentNames(MOST_HOSTS)

    def key(self, line: AccessLine) -> Key:
        revision = self._revisions.admit(line.revision, line.time_ms)
        host = self._hosts.admit(line.host, line.time_ms)
        return (self._service, revision, self._actions.action(line.method, line.path), line.code, host)

    def folded_key(self, key: Key) -> Key:
        """Return a key among few: no action, no host, and only revisions that the ledger knows."""
        service, revision, _, code, _ = key
        return (service, revision if self._released(revision) else OTHER, OTHER, code, OTHER)

    def forget(self, before_ms: int) -> None:
        self._revisions.forget(before_ms)
        self._hosts.forget(before_ms)


class _ReleasedRevisions:
    """The revisions of a service that were ever released, from the ledger: nobody can add one with a log line."""

    def __init__(self, config: Config, service: str) -> None:
        self._ledger = open_ledger(config.state_dir)
        self._service = service
        self._known = frozenset({NONE})
        self._looked = -LEDGER_S

    def __call__(self, revision: str) -> bool:
        if revision not in self._known and time.monotonic() - self._looked > LEDGER_S:
            self._looked = time.monotonic()
            # a ledger that is busy or damaged must not stop the collector
            with suppress(PratiqueError), self._ledger.busy_timeout(0.0):
                self._known = frozenset({NONE, *self._ledger.revisions(self._service)})
        return revision in self._known
