"""The outcome that an incident is looked at by: bad status codes, or requests slower than usual."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from pratique.errors import UsageError
from pratique.judge.hypergeometric import Ints
from pratique.judge.outcomes import has_outcome
from pratique.store.base import Store
from pratique.telemetry.buckets import upper_ms

_CODES = re.compile(r"[1-5]xx|[1-5][0-9]{2}|no answer")
NEVER_MS = 1e15
"""Longer than any duration: without a history nothing is slow."""
_LATENCY = re.compile(r"p[0-9]{2}(\.[0-9]+)?")


@dataclass(frozen=True)
class Outcome:
    """name: as in a guard: "5xx", "503", "no answer", "p95". slower_than_ms: of a latency outcome, the quantile of the history."""

    name: str
    slower_than_ms: float | None = None

    @property
    def is_latency(self) -> bool:
        """Whether bad means slow."""
        return self.name.startswith("p")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that requests are counted by beside revision, action and host: slow ones are not told apart by code."""
        return () if self.is_latency else ("code",)

    def split(self, table: pa.Table) -> tuple[tuple[str, ...], Ints, Ints, Ints]:
        """Return the names of the bad codes, and of each row of counts the number of its code, its bad and all requests."""
        if self.is_latency:
            return ("",), np.zeros(table.num_rows, np.int64), *(table[name].to_numpy() for name in ("slow", "timed"))
        n, code = table["n"].to_numpy(), table["code"].to_numpy()
        is_bad = has_outcome(code, self.name)
        codes, number = np.unique(np.where(is_bad, code, -1), return_inverse=True)
        shift = int(len(codes) > 0 and codes[0] == -1 and not bool((code[is_bad] == -1).any()))
        names = tuple(str(value) for value in codes[shift:].tolist())
        return names, np.maximum(number - shift, 0), np.where(is_bad, n, 0), n


def outcome_of(name: str, store: Store, service: str, before: datetime, start: datetime) -> Outcome:
    """Return the outcome of a name. For a latency outcome the history is read for its quantile.

    Raises: UsageError for a name that is not an outcome; as `Store.counts`.
    """
    if _CODES.fullmatch(name):
        return Outcome(name)
    if not _LATENCY.fullmatch(name):
        raise UsageError(f"outcome {name[:80]!r} is not known: give 5xx, 4xx, one code such as 503, no answer, or p95")
    counted = store.counts(service, before, start, by=["bucket"], step_s=0)
    bucket, n = (counted[column].to_numpy() for column in ("bucket", "n"))
    if not n.sum():
        return Outcome(name, NEVER_MS)
    reached = np.cumsum(n) >= float(name[1:]) / 100.0 * n.sum()
    return Outcome(name, upper_ms(int(bucket[reached.argmax()])))
