"""Read several hosts at once, each in own threads and with a deadline: one that hangs does not stop the others."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from pratique.clock import elapsed_s, utc_now
from pratique.config.doctor import DoctorSettings
from pratique.doctor.facts.engine import ENGINE_PARTS, read_engine
from pratique.doctor.facts.host import HOST_PARTS, read_host
from pratique.doctor.facts.model import HostFacts, PartStore

ROOT_WAIT_S = 3.0
"""How long the script waits for the engine to tell its folder."""


def read_hosts(
    addresses: Sequence[str],
    settings: DoctorSettings,
    certificates: Mapping[str, Sequence[str]],
    *,
    without_engine: Sequence[str] = (),
) -> list[HostFacts]:
    """Return the facts of each host, in the order given, after at most `settings.timeout_s`.

    certificates: for an address, files on that host whose end is asked for. without_engine: more hosts, whose engine is not asked.
    """
    asked = [(address, True) for address in addresses] + [(address, False) for address in without_engine]
    readers = [
        _HostReader(address, settings, certificates.get(address, ()), engine=engine) for address, engine in asked
    ]
    deadline = elapsed_s() + settings.timeout_s
    for reader in readers:
        reader.start()
    return [reader.facts(deadline) for reader in readers]


class _HostReader:
    """Two threads for one host: its engine and its script. They are daemons, so one that hangs does not keep the process."""

    def __init__(self, address: str, settings: DoctorSettings, certificates: Sequence[str], *, engine: bool) -> None:
        self._address, self._settings, self._certificates = address, settings, certificates
        self._store = PartStore()
        self._root, self._root_known = "", threading.Event()
        self._at = utc_now()
        if not engine:
            self._store.miss(ENGINE_PARTS, "no engine of this host is declared")
            self._root = "/"
            self._root_known.set()
        work = (self._engine, self._host) if engine else (self._host,)
        self._threads = [threading.Thread(target=one, daemon=True) for one in work]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def facts(self, deadline: float) -> HostFacts:
        for thread in self._threads:
            thread.join(max(0.0, deadline - elapsed_s()))
        reason = f"no answer within {self._settings.timeout_s:g} s"
        return self._store.facts(self._address, self._at, names=[*ENGINE_PARTS, *HOST_PARTS], reason=reason)

    def _engine(self) -> None:
        try:
            read_engine(self._address, self._store, timeout_s=self._settings.request_timeout_s, known=self._know_root)
        finally:
            self._root_known.set()

    def _know_root(self, root: str) -> None:
        self._root = root
        self._root_known.set()

    def _host(self) -> None:
        self._root_known.wait(ROOT_WAIT_S)
        read_host(
            self._address,
            self._store,
            root=self._root,
            timeout_s=self._settings.timeout_s,
            certificates=self._certificates,
        )
