"""Windows in which one revision, or both, had no request although requests were expected.

The expected number follows from the other revision's requests and the weight in force, or the share measured in all
other windows when no weights are known. Traffic varies more than chance, so the number must be large compared with the
dispersion of the share. A silent revision is not compared: nothing in these windows may help a promotion.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pratique.judge.hypergeometric import Floats, Ints
from pratique.judge.model import Finding
from pratique.judge.state import JudgeState

EXPECTED = 10.0
"""Expected requests, divided by their dispersion, from which silence is not chance: 1 in 20,000 a run of windows."""
MOST_DISPERSION = 10.0
"""Largest dispersion: a share that goes on and off must not count as its own explanation."""
BLOCK = 10
"""Windows in a block when the dispersion is measured, and windows before a gap that its expectation comes from."""


@dataclass(frozen=True)
class Run:
    """Successive windows without a request; first, last: their indices. expected: requests that were expected."""

    first: int
    last: int
    expected: float


def silence(state: JudgeState, share: Floats | None) -> list[Finding]:
    """Return findings on silent revisions.

    share: the canary's share of the weights in each window, 0 where it is not known or has changed; None: no weights.
    """
    if not state.requests or state.policy.on_no_data == "ignore":
        return []
    time_ms, requests = np.concatenate(state.time_ms), np.concatenate(state.requests, axis=1)
    found = []
    if requests.sum(axis=1).all():
        for arm in (0, 1):
            runs = silent_runs(requests[arm], requests[1 - arm], _weighed(share, arm))
            if runs:
                found.append(_message(state, time_ms, requests, arm, runs))
    # windows without any request say nothing about a difference, and those that follow can be compared
    both = [_message_of_both(state, time_ms, run) for run in _missing(time_ms, requests.sum(axis=0), state.window_ms)]
    holds = [Finding("gap", state.policy.on_no_data, message) for message in found]
    return holds + [Finding("gap", "note", message) for message in both]


def _weighed(share: Floats | None, arm: int) -> Floats | None:
    """The arm's weight in relation to the other's, NaN where it is not known; None: no weights."""
    if share is None:
        return None
    known = np.where((share > 0) & (share < 1), share, np.nan)
    return known / (1.0 - known) if arm == 1 else (1.0 - known) / known


def silent_runs(own: Ints, other: Ints, weighed: Floats | None) -> list[Run]:
    """Return the runs of windows in which a revision should have been seen. own, other: requests, shape (windows,)."""
    found = []
    for first, last in _runs(own == 0):
        part = slice(first, last + 1)
        if weighed is not None and np.isfinite(weighed[part]).any():
            expected, dispersion = float(np.nansum(other[part] * weighed[part])), 1.0
        elif weighed is not None:
            continue
        else:
            outside = np.ones(len(own), bool)
            outside[part] = False
            rate = own.sum() / max(other[outside].sum(), 1)
            expected = float(rate * other[part].sum())
            dispersion = _dispersion(own[outside], rate * other[outside])
        if expected >= EXPECTED * dispersion:
            found.append(Run(first, last, expected))
    return found


def _runs(chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Iterator[tuple[int, int]]:
    """First and last index of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], chosen.astype(np.int8), [0]])))
    for first, after in zip(edges[::2], edges[1::2], strict=True):
        yield int(first), int(after) - 1


def _dispersion(seen: Ints, expected: Floats) -> float:
    """How much more than chance the requests vary from block to block."""
    starts = np.arange(0, len(seen), BLOCK)
    if len(starts) < 2:
        return 1.5
    seen_in, expected_in = (np.add.reduceat(values.astype(np.float64), starts) for values in (seen, expected))
    informative = expected_in > 0
    ratio = (seen_in - expected_in)[informative] ** 2 / expected_in[informative]
    return float(np.clip(ratio.mean() if informative.any() else 1.5, 1.5, MOST_DISPERSION))


def _message(state: JudgeState, time_ms: Ints, requests: Ints, arm: int, runs: list[Run]) -> str:
    name, other = (("baseline", "canary"), ("canary", "baseline"))[arm]
    count = sum(run.last - run.first + 1 for run in runs)
    last = runs[-1]
    ongoing = last.last == len(time_ms) - 1
    when = f"since {_start(state, time_ms, last.first)}" if ongoing else _span(state, time_ms, last)
    message = f"no {name} requests in {count} of {len(time_ms)} windows ({when})"
    message += f", while the {other} had {int(sum(requests[1 - arm][r.first : r.last + 1].sum() for r in runs)):,}"
    if not ongoing:
        return message
    if arm == 1:
        return f"{message}: the canary is down, out of the pool, or its host's clock is behind"
    before = requests[1][: last.first].sum() / max(last.first, 1)
    after = requests[1][last.first :].mean()
    if after < 1.5 * before:
        minutes = (int(time_ms[-1]) - int(time_ms[last.first]) + state.window_ms) / 60_000
        return (
            f"{message}: the canary's windows end {minutes:.3g} min after the baseline's: the baseline is down or out of "
            "the pool, or the clock of the canary's host is ahead"
        )
    return f"{message}: all requests go to the canary, and there is nothing to compare it with"


def _start(state: JudgeState, time_ms: Ints, index: int) -> str:
    return state.end_of(int(time_ms[index]) - state.window_ms).strftime("%H:%M:%S")


def _span(state: JudgeState, time_ms: Ints, run: Run) -> str:
    return f"{_start(state, time_ms, run.first)} to {state.end_of(int(time_ms[run.last])):%H:%M:%S}"


def _missing(time_ms: Ints, total: Ints, window_ms: int) -> list[Run]:
    """Gaps in the data of both revisions that their requests before do not explain."""
    skipped = np.diff(time_ms) // window_ms - 1
    found = []
    for index in np.flatnonzero(skipped > 0):
        before = total[max(0, index - BLOCK + 1) : index + 1]
        span = (time_ms[index] - time_ms[index + 1 - len(before)]) // window_ms + 1
        expected = before.sum() / span * skipped[index]
        others = np.delete(skipped, index).max(initial=0)
        if expected >= EXPECTED * MOST_DISPERSION and skipped[index] > max(2 * others, 2):
            found.append(Run(int(index), int(index) + 1, float(expected)))
    return found


def _message_of_both(state: JudgeState, time_ms: Ints, run: Run) -> str:
    start, end = state.end_of(int(time_ms[run.first])), _start(state, time_ms, run.last)
    missing = (int(time_ms[run.last]) - int(time_ms[run.first])) // state.window_ms - 1
    return f"no request of either revision in {missing} windows ({start:%H:%M:%S} to {end}): an outage, or lines are missing"
