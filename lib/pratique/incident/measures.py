"""The arrays behind an analysis of an incident, which its figures draw.

All series of one analysis share the same windows. Counts are int64, all other numbers float64; times are the starts of
the windows, datetime64[ms] in UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pratique.incident.model import Change, Incident
from pratique.judge.hypergeometric import Floats, Ints

Times = npt.NDArray[np.datetime64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Series:
    """Requests of a part of the traffic, window by window; every array has the shape (windows,).

    n, bad: requests, and those with the outcome. expected: bad ones as the history leads to expect for n.
    lower, upper: between them `bad` lies in 95 % of the windows when nothing is wrong.
    """

    n: Ints
    bad: Ints
    expected: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class Arms:
    """The requests of a change's revision beside those of all other revisions, in the windows that are compared.

    bad, n: shape (2, windows), the others first, the change's revision second; 0 in windows that are not compared. log_e: natural log of the evidence against
    "odds ratio at most the tolerated one" after each window, shape (windows,); it compares the arms by action and host, the counts sum these up.
    """

    bad: Ints
    n: Ints
    log_e: Floats


@dataclass(frozen=True)
class Placebos:
    """Difference-in-differences of a change without a control.

    log_ratio: log of (after / before) in the place less the same in the untouched rest, at the change. at: starts of the other
    times at which the same was computed; log_ratios: its values there, shape (times,). rank: how many of them are at least as
    large as that at the change.
    """

    log_ratio: float
    at: Times
    log_ratios: Floats
    rank: int


@dataclass(frozen=True)
class SuspectMeasures:
    """The arrays of one suspect; None where it could not be measured."""

    arms: Arms | None = None
    placebos: Placebos | None = None


@dataclass(frozen=True)
class Measures:
    """The arrays of one analysis.

    times: start of each window, shape (windows,). window_s: length of a window in seconds.
    service: the whole service. requests_expected: requests that the history leads to expect in each window; NaN where there is no
    history. in_starts, in_ends: in which windows the rise may have begun, and ended; all False without a rise.
    start_support: log of the likelihood of each start, by the most likely one; -inf where it was not considered.
    places: one series for each of the incident's places, in their order. suspects: one for each of its suspects.
    """

    times: Times
    window_s: int
    service: Series
    requests_expected: Floats
    in_starts: Mask
    in_ends: Mask
    start_support: Floats
    places: tuple[Series, ...]
    suspects: tuple[SuspectMeasures, ...]


@dataclass(frozen=True)
class Investigation:
    """An incident, the arrays behind it, and all changes that were looked at."""

    incident: Incident
    measures: Measures
    changes: Sequence[Change]
