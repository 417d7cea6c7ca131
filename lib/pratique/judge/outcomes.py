"""Which status codes are the outcome of a guard, and among which requests they are counted.

Every code belongs to a guard. A code of a class that a guard names counts there. All other codes belong to the guard
"other": each code that has been seen gets its own guard, which tests whether the code has become more frequent
among the other codes. A code that has become less frequent makes another one more frequent, so both directions count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pratique.config import GuardPolicy
from pratique.judge.hypergeometric import Ints

Mask = npt.NDArray[np.bool_]

FEWER = "fewer "
"""Prefix of an outcome: a request without the outcome that follows."""
CLIENT_GONE = 499
"""The code of a request whose client closed the connection before the answer, as in nginx."""
MOST_CODES = 24
"""Other codes with their own guard; the rest share one."""


def is_no_answer(code: Ints) -> Mask:
    """Return which codes are not a status that HTTP defines: 0, -1, 999. Proxies write them for a missing answer."""
    return np.asarray((code < 100) | (code > 599))


def is_failure(code: Ints) -> Mask:
    """Return which codes say that the service failed: 5xx, and no answer."""
    return np.asarray((code // 100 == 5) | is_no_answer(code))


def has_outcome(code: Ints, outcome: str) -> Mask:
    """Return which codes are an outcome: "5xx", "404" or "no answer"."""
    if outcome == "no answer":
        return is_no_answer(code)
    if outcome.endswith("xx"):
        return np.asarray(code // 100 == int(outcome[0]))
    return np.asarray(code == int(outcome))


@dataclass(frozen=True)
class CodeOutcome:
    """The outcome of one guard on codes.

    outcome: as in the policy. watched: outcomes of codes that have a guard in the policy. own: other codes with their own
    guard, and the start of the window (epoch ms) in which each was seen first; from the next one on its own
    guard counts it, so that the guard exists before its data.
    """

    outcome: str
    watched: tuple[str, ...]
    own: dict[int, int]

    def masks(self, code: Ints, time_ms: Ints) -> tuple[Mask, Mask | None]:
        """Return which rows have the outcome, and among which rows they are counted; None: among all."""
        if self.outcome.startswith(FEWER):
            wanted = has_outcome(code, self.outcome.removeprefix(FEWER))
            return ~wanted & ~is_failure(code), ~is_failure(code)
        if self.outcome == "other":
            others = self._others(code)
            own = np.zeros(len(code), bool)
            for known, first_ms in self.own.items():
                own |= (code == known) & (time_ms > first_ms)
            return others & ~own, others
        if self.outcome.isdigit() and int(self.outcome) in self.own:
            others = self._others(code) & (time_ms > self.own[int(self.outcome)])
            return others & (code == int(self.outcome)), others
        return has_outcome(code, self.outcome), None

    def _others(self, code: Ints) -> Mask:
        return others(code, self.watched)


def others(code: Ints, watched: Sequence[str]) -> Mask:
    """Return which codes no guard of the policy names. watched: the outcomes that guards name.

    A guard on 4xx does not name 499: clients that give up are the first sign of a slow canary, and among the usual
    404s they would show late.
    """
    found = ~is_failure(code)
    for outcome in watched:
        named = has_outcome(code, outcome)
        found &= ~named if outcome == str(CLIENT_GONE) else ~named | (code == CLIENT_GONE)
    return np.asarray(found)


def watched_codes(guards: Sequence[GuardPolicy]) -> tuple[str, ...]:
    """Return the outcomes of the guards on codes that name a code or a class of codes."""
    return tuple(
        guard.outcome
        for guard in guards
        if not guard.is_latency and guard.outcome != "other" and not guard.outcome.startswith(FEWER)
    )
