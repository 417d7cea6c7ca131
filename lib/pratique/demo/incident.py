"""A day of three services with one guilty release: a store, a ledger and a service file to practise on.

At 14:01 the shop's canary r42 gets a tenth of the traffic, and fails at the checkout. At 13:58 another team releases search r8,
which is fine. From 13:20 to 13:36 the bank behind the payments did not answer, whatever revision asked it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pratique.clock import stamp
from pratique.config import load
from pratique.demo.traffic import WINDOW_S, Action, Fault, Service, traffic
from pratique.errors import UsageError
from pratique.ledger import open_ledger
from pratique.store import open_store

END = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
START = END - timedelta(hours=27)
SERVICE_FILE = f"""\
# Practise with: pratique incident shop. The data ends at {END:%Y-%m-%d %H:%M} UTC; nothing in it runs.

[store]
# the data is old, and stays
retention_days = 0

[telemetry]
window_s = {WINDOW_S}

[services.shop.runtime]
command = ["{{python}}", "{{dir}}/app.py", "{{port}}"]

[services.search.runtime]
command = ["{{python}}", "{{dir}}/app.py", "{{port}}"]

[services.payments.runtime]
command = ["{{python}}", "{{dir}}/app.py", "{{port}}"]
"""


def _at(clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return END.replace(hour=hour, minute=minute)


SHOP = Service(
    "shop",
    1800,
    (
        Action("GET /", 0.30, 12, 0.0008),
        Action("GET /product/{id}", 0.37, 25, 0.0008),
        Action("GET /search", 0.15, 60, 0.0015),
        Action("POST /cart", 0.10, 30, 0.002),
        Action("POST /checkout", 0.08, 90, 0.004),
    ),
    ((START, {"r41": 1.0}), (_at("14:01"), {"r41": 0.9, "r42": 0.1})),
    faults=(Fault("POST /checkout", 503, 0.35, _at("14:01"), END, "r42"),),
)
SEARCH = Service(
    "search",
    900,
    (Action("GET /query", 0.85, 45, 0.002), Action("GET /suggest", 0.15, 8, 0.0005)),
    ((START, {"r7": 1.0}), (_at("13:58"), {"r7": 0.75, "r8": 0.25}), (_at("14:20"), {"r7": 0.5, "r8": 0.5})),
    hosts=("find1", "find2"),
)
PAYMENTS = Service(
    "payments",
    400,
    (Action("POST /charge", 0.7, 180, 0.003), Action("POST /refund", 0.3, 160, 0.003)),
    ((START, {"r3": 1.0}),),
    hosts=("pay1", "pay2"),
    faults=tuple(Fault(action, 504, 0.08, _at("13:20"), _at("13:36")) for action in ("POST /charge", "POST /refund")),
)
SERVICES = (SHOP, SEARCH, PAYMENTS)


@dataclass(frozen=True)
class _Said:
    """One entry of the ledger."""

    time: datetime
    kind: str
    service: str
    revision: str
    who: str
    why: str = ""
    run: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


def _shared(clock: str, service: str, revision: str, who: str, run: str, **shares: float) -> _Said:
    time = _at(clock)
    data = {"shares": shares, "asked": stamp(time), "confirmed": stamp(time)}
    return _Said(time, "weight", service, revision, who, "", run, data)


def _started(clock: str, service: str, revision: str, baseline: str, who: str, why: str, run: str) -> _Said:
    return _Said(_at(clock), "release", service, revision, who, why, run, {"event": "started", "baseline": baseline})


LEDGER = (
    _Said(START, "release", "shop", "r41", "ann", "first", None, {"event": "first", "shares": {"r41": 1.0}}),
    _Said(START, "release", "search", "r7", "bob", "first", None, {"event": "first", "shares": {"r7": 1.0}}),
    _Said(START, "release", "payments", "r3", "eve", "first", None, {"event": "first", "shares": {"r3": 1.0}}),
    _started("13:57", "search", "r8", "r7", "bob", "new index", "20261120-1357-search"),
    _shared("13:58", "search", "r8", "bob", "20261120-1357-search", r7=0.75, r8=0.25),
    _started("14:00", "shop", "r42", "r41", "ann", "faster checkout", "20261120-1400-shop"),
    _shared("14:01", "shop", "r42", "ann", "20261120-1400-shop", r41=0.9, r42=0.1),
    _shared("14:20", "search", "r8", "bob", "20261120-1357-search", r7=0.5, r8=0.5),
)


def write_demo(folder: Path, *, seed: int = 1, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write the service file, the store and the ledger into a folder, and return the path of the service file.

    seed: of the random numbers; the story stays the same. progress: called with how many services are written, and of how many.
    Raises: UsageError when the folder has a service file or a state folder already; DeniedError, StorageError.
    """
    from pratique.notebook.execute import storage_errors  # noqa: PLC0415 - only here

    path = folder / "pratique.toml"
    if path.exists() or (folder / ".pratique").exists():
        raise UsageError(f"{str(folder)!r} has a service file or data already: choose another folder")
    with storage_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(SERVICE_FILE, encoding="utf-8")
    config = load(str(path))
    config.make_state_folder()
    store, ledger = open_store(config.store), open_ledger(config.state_dir)
    for number, service in enumerate(SERVICES):
        if progress:
            progress(number, len(SERVICES))
        store.write(traffic(service, START, END, seed=len(SERVICES) * seed + number))
    for said in LEDGER:
        ledger.append(said.kind, said.service, who=said.who, why=said.why, revision=said.revision, run=said.run,
                      data=said.data, time=said.time)  # fmt: skip
    return path
