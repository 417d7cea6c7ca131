"""Requests selected by revision, time, action and host, and added up by one dimension: for questions that a person asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import numpy as np

from pratique.figures.incident_slices import Slice
from pratique.judge.outcomes import has_outcome

if TYPE_CHECKING:
    from pratique.store.base import Store

Dimension = Literal["action", "host", "code", "revision"]
DIMENSIONS: tuple[Dimension, ...] = ("action", "host", "code", "revision")
ALL = "all"
"""Chosen where every value counts."""


@dataclass(frozen=True)
class Selection:
    """Which requests. start, end: UTC, [start, end). revision, action, host: one value, or ALL."""

    start: datetime
    end: datetime
    revision: str = ALL
    action: str = ALL
    host: str = ALL

    @property
    def name(self) -> str:
        """The selection in words: "r42 14:01–15:00"."""
        which = [self.revision] if self.revision != ALL else ["all revisions"]
        which += [value for value in (self.action, self.host) if value != ALL]
        return f"{', '.join(which)} {self.start:%H:%M}–{self.end:%H:%M}"


def sliced(
    store: Store,
    service: str,
    outcome: str,
    selection: Selection,
    dimension: Dimension,
    *,
    slower_than_ms: float | None = None,
) -> Slice:
    """Return bad requests and requests of a selection by one dimension.

    With "code" as the dimension, all requests of the selection are the denominator of every code. slower_than_ms: what "bad" means for a latency
    outcome; its requests are those with a duration. Raises: the errors of the store.
    """
    names = ("revision", "action", "code", "host")
    table = store.counts(service, selection.start, selection.end, by=names, step_s=0, slower_than_ms=slower_than_ms)
    chosen = np.ones(len(table), bool)
    for name in ("revision", "action", "host"):
        wanted = getattr(selection, name)
        if wanted != ALL:
            chosen &= np.asarray(table[name].to_pylist(), object) == wanted
    columns = {name: np.asarray(table[name].to_pylist(), object)[chosen] for name in names}
    if slower_than_ms is None:
        n = table["n"].to_numpy()[chosen]
        bad = np.where(has_outcome(columns["code"].astype(np.int64), outcome), n, 0)
    else:
        n, bad = (table[name].to_numpy()[chosen] for name in ("timed", "slow"))
    keys = [str(value) for value in columns[dimension]]
    return Slice(selection.name, _sums(keys, bad), _of_all(_sums(keys, n)) if dimension == "code" else _sums(keys, n))


def values_of(store: Store, service: str, start: datetime, end: datetime) -> dict[str, list[str]]:
    """Return the revisions, actions and hosts that served in a range, those with most requests first."""
    found = {}
    for name in ("revision", "action", "host"):
        table = store.counts(service, start, end, by=(name,), step_s=0)
        order = np.argsort(-table["n"].to_numpy(), kind="stable")
        found[name] = [str(table[name][int(row)].as_py()) for row in order]
    return found


def _sums(keys: list[str], numbers: np.ndarray) -> dict[str, int]:
    if not keys:
        return {}
    names, position = np.unique(keys, return_inverse=True)
    totals = np.bincount(position, weights=numbers, minlength=len(names))
    return {str(name): int(total) for name, total in zip(names, totals, strict=True)}


def _of_all(by_code: dict[str, int]) -> dict[str, int]:
    return dict.fromkeys(by_code, sum(by_code.values()))
