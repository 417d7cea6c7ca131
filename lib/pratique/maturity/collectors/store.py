"""What the store measured while deployments took over."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import sqrt
from typing import TYPE_CHECKING

from pratique.ledger.history import ReleaseRecord
from pratique.maturity.collectors.records import link
from pratique.maturity.collectors.registered import collector
from pratique.maturity.evidence import Evidence, compared, unknown
from pratique.maturity.model import Rule
from pratique.maturity.sources import Sources
from pratique.number_text import percent, plural

if TYPE_CHECKING:
    from pratique.store.base import Store

AROUND = timedelta(minutes=2)
BEFORE = timedelta(minutes=30)
STEP_S = 60
Z = 1.959963984540054
"""Of 95 % limits, two-sided."""


@collector("store.handover", "ledger", "store")
def handover(sources: Sources, rule: Rule) -> Evidence:
    """The excess of 5xx answers in the minutes in which deployments took over, as a 95 % upper limit; a minute without requests fails."""
    store = sources.store
    if store is None:
        return unknown("the store has no requests, or cannot be read")
    bad = n = bad_before = n_before = 0
    judged: list[ReleaseRecord] = []
    silent: list[ReleaseRecord] = []
    for record in sources.deployments(rule.days, rule.last):
        moment = sources.deployed_at(record)
        usual = _counted(store, record.service, moment - AROUND - BEFORE, moment - AROUND)
        around = _counted(store, record.service, moment - AROUND, moment + AROUND)
        if not usual or sum(all_ for _, all_ in usual.values()) < len(usual) * 10:
            # a service with less than ten requests a minute is silent now and then
            continue
        judged.append(record)
        if len(around) < 2 * AROUND / timedelta(seconds=STEP_S):
            silent.append(record)
        bad, n = bad + sum(b for b, _ in around.values()), n + sum(a for _, a in around.values())
        bad_before, n_before = (
            bad_before + sum(b for b, _ in usual.values()),
            n_before + sum(a for _, a in usual.values()),
        )
    if not judged or not n:
        return unknown("the store has too few requests, or none, in the minutes in which deployments took over")
    if silent:
        reason = (
            f"{len(silent)} of {plural(len(judged), 'deployment')} had a minute without requests while it took over"
        )
        return Evidence(
            "not met", reason, 1.0, rule.threshold, len(judged), tuple(link(sources, one) for one in silent[:5])
        )
    limit = excess_limit(bad, n, bad_before, n_before)
    reason = f"{percent(bad / n)} of {plural(n, 'request')} failed while {plural(len(judged), 'deployment')} took over, {percent(bad_before / n_before)} before; upper limit of the excess {percent(max(0.0, limit))}"
    return compared(rule, limit, len(judged), reason, [link(sources, one) for one in judged])


def _counted(store: Store, service: str, start: datetime, end: datetime) -> dict[datetime, tuple[int, int]]:
    """Minute → bad and all requests."""
    rows = store.counts(
        service,
        start.replace(second=0, microsecond=0),
        end.replace(second=0, microsecond=0),
        by=["code"],
        step_s=STEP_S,
    ).to_pylist()
    found: dict[datetime, tuple[int, int]] = {}
    for row in rows:
        bad, number = found.get(row["step"], (0, 0))
        found[row["step"]] = (bad + row["n"] * (500 <= row["code"] <= 599), number + row["n"])
    return found


def excess_limit(bad: int, n: int, bad_before: int, n_before: int) -> float:
    """Return the upper 95 % limit of the difference of two shares of bad requests.

    Source: R. G. Newcombe, "Interval estimation for the difference between independent proportions", 1998, method 10 (Wilson limits).
    """
    now, before = bad / n, bad_before / n_before
    _, high = _wilson(bad, n)
    low, _ = _wilson(bad_before, n_before)
    return now - before + sqrt((high - now) ** 2 + (before - low) ** 2)


def _wilson(bad: int, n: int) -> tuple[float, float]:
    share, square = bad / n, Z * Z
    middle, half = share + square / (2 * n), Z * sqrt(share * (1 - share) / n + square / (4 * n * n))
    return (middle - half) / (1 + square / n), (middle + half) / (1 + square / n)
