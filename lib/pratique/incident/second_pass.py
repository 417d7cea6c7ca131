"""The second pass: the places of a rise, and the rise dated again inside the first of them, which is sharper."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from pratique.incident.confirmation import confirmed
from pratique.incident.first_pass import FirstPass
from pratique.incident.measures import Series
from pratique.incident.model import Onset, Span
from pratique.incident.observed import Observed
from pratique.incident.place_cells import History, cells_after, series_of
from pratique.incident.shapes import Mask
from pratique.incident.when import Rise, describe, log_evidence, within
from pratique.incident.where import Found, find_places


@dataclass(frozen=True)
class SecondPass:
    """What the second pass finds. rise: as the first place shows it. sharper: whether that place dated it."""

    rise: Rise
    found: Found
    sharper: bool


def second_pass(observed: Observed, rise: Rise, history: History, *, alpha: float, tolerated: float) -> SecondPass:
    """Return the places of a rise, those after the first confirmed, and the rise as the first place shows it."""
    located = _located(observed, rise, history, alpha=alpha, tolerated=tolerated)
    if len(located.found.values) < 2:
        return located
    every = np.arange(len(located.rise.in_starts))
    even, odd = (cells_after(observed, history, affected(located.rise) & (every % 2 == part)) for part in (0, 1))
    return SecondPass(located.rise, confirmed(located.found, even, odd, alpha=alpha), located.sharper)


def _located(observed: Observed, rise: Rise, history: History, *, alpha: float, tolerated: float) -> SecondPass:
    found = find_places(cells_after(observed, history, affected(rise)), alpha=alpha)
    if not found.values:
        return SecondPass(rise, found, sharper=False)
    own, phi = series_of(observed, history, found.values[0])
    log_e = log_evidence(own.bad, own.expected, phi, tolerated=tolerated)
    if log_e < -np.log(alpha):
        return SecondPass(rise, found, sharper=False)
    again = _dated(observed, own, phi, max(log_e, rise.log_e))
    if again.affected != rise.affected:
        sharper = find_places(cells_after(observed, history, affected(again)), alpha=alpha)
        found = sharper if sharper.values else found
    return SecondPass(again, found, sharper=any(value is not None for value in found.values[0]))


def _dated(observed: Observed, own: Series, phi: float, log_e: float) -> Rise:
    """The rise of a place, in the windows from its first request to its last one: a new revision has no earlier start."""
    served = np.flatnonzero(own.n)
    part = slice(int(served[0]), int(served[-1]) + 1)
    rise = describe(own.bad[part], own.expected[part], phi, log_e=log_e)
    goes_on = bool(observed.range.requests()[part.stop :].any())
    return within(rise, part, len(own.n), over=goes_on)


def affected(rise: Rise) -> Mask:
    """Return which windows a rise affects."""
    chosen = np.zeros(len(rise.in_starts), bool)
    chosen[rise.affected] = True
    return chosen


def onset_of(observed: Observed, first: FirstPass, second: SecondPass, history: History) -> Onset:
    """Return when it began, as both passes show it."""
    n, bad = observed.range.requests(), observed.range.bad_requests()
    usual, rise = first.history.expected(n), second.rise
    if second.found.values and second.sharper:
        own, _ = series_of(observed, history, second.found.values[0])
        n, bad, usual = own.n, own.bad, own.expected

    def time(window: int) -> datetime:
        return observed.start + timedelta(seconds=window * observed.range.step_s)

    return Onset(
        best=time(rise.best),
        started=Span(time(rise.first), time(rise.last)),
        ended=Span(time(rise.ended[0]), time(rise.ended[1])) if rise.ended else None,
        shape=rise.shape,
        ratio=rise.ratio,
        bad=int(bad[rise.affected].sum()),
        requests=int(n[rise.affected].sum()),
        expected=float(usual[rise.affected].sum()),
        e_value=float(np.exp(min(first.log_e, 700.0))),
        reason=_reason(rise, first.part, sharper=second.sharper),
    )


def _reason(rise: Rise, part: str, *, sharper: bool) -> str:
    shape = {
        "step": "it rose at once",
        "ramp": "it grew over several windows",
        "blip": "it rose at once and ended",
    }.get(rise.shape, "it rose at once or grew; the data do not show which")
    where = "; dated inside the first place, which was chosen on the same requests" if sharper else ""
    seen = f"; seen first in {part}" if part and not sharper else ""
    return shape + seen + where + ("; it may have begun before the range" if rise.first == 0 else "")
