"""The first look: does the outcome rise in the service, or in one of its revisions, actions, codes or hosts?

The service has half of the weight; the other half is shared out equally among all parts that there are. Those that are not looked at,
because they have few bad requests, count as evidence of 0: choosing the others by their bad requests is paid for, and all looks
together are one e-value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pratique.incident.cells import CODE, DIMENSIONS, SERVED_BY
from pratique.incident.history import History, learn
from pratique.incident.measures import Series
from pratique.incident.observed import Counts, Observed
from pratique.incident.shapes import log_sum_exp
from pratique.incident.when import Rise, describe, log_evidence
from pratique.judge.hypergeometric import Floats, Ints

WEIGHT_OF_SERVICE = 0.5
FEWEST_BAD = 5
"""Bad requests in the range that a part must have to be looked at by itself."""
MOST_PARTS = 60
"""Parts that are looked at, those with the most bad requests beyond their share."""
BAND = 1.96


@dataclass(frozen=True)
class FirstPass:
    """history: of the service. rise: of the part with the most evidence, or None where none is shown. part: its name, "" for the
    whole service. log_e: of all parts together. looked_at: number of parts.
    """

    history: History
    rise: Rise | None
    part: str
    log_e: float
    looked_at: int


def first_pass(observed: Observed, *, alpha: float, tolerated: float) -> FirstPass:
    """Look for a rise in the service and its parts. tolerated: ratio to the expected number."""
    history = learn(observed.history.bad_requests(), observed.history.requests(), alpha=alpha, tolerated=tolerated)
    if not history.n:
        return FirstPass(history, None, "", 0.0, 0)
    parts = [("", observed.range.bad_requests(), history.expected(observed.range.requests()), history)]
    parts += _parts(observed, history, alpha, tolerated)
    there_are = sum(len(names) for names in observed.names if len(names) > 1)
    weights = np.full(len(parts), (1.0 - WEIGHT_OF_SERVICE) / max(there_are, 1))
    weights[0] = WEIGHT_OF_SERVICE if there_are else 1.0
    logs = np.array(
        [log_evidence(bad, mean, past.phi, tolerated=tolerated * past.caution) for _, bad, mean, past in parts]
    )
    weighted = logs + np.log(weights)
    log_e = float(log_sum_exp(weighted))
    if log_e < -math.log(alpha):
        return FirstPass(history, None, "", log_e, len(parts))
    best = int(weighted.argmax())
    name, bad, mean, past = parts[best]
    return FirstPass(history, describe(bad, mean, past.phi, log_e=log_e), name, log_e, len(parts))


def _parts(
    observed: Observed, service: History, alpha: float, tolerated: float
) -> list[tuple[str, Ints, Floats, History]]:
    found: list[tuple[float, str, Ints, Floats, History]] = []
    total = observed.range.bad_requests().sum()
    for dimension, names in enumerate(observed.names):
        if len(names) < 2:
            continue
        n_before, bad_before = _by_value(observed, observed.history, dimension)
        n, bad = _by_value(observed, observed.range, dimension)
        of_value = bad.sum(axis=1)
        for value in np.flatnonzero((of_value >= FEWEST_BAD) & (of_value < total)).tolist():
            past = learn(bad_before[value], n_before[value], alpha=alpha, tolerated=tolerated)
            # a new revision, action or host is expected to be like the service
            share = past.share if past.n * service.share >= 1.0 or dimension == CODE else service.share
            mean = np.asarray(n[value] * share, np.float64)
            name = f"{DIMENSIONS[dimension]} {names[value]}"
            found.append((float(of_value[value] - mean.sum()), name, bad[value], mean, past))
    found.sort(key=lambda item: -item[0])
    return [item[1:] for item in found[:MOST_PARTS]]


def _by_value(observed: Observed, counts: Counts, dimension: int) -> tuple[Ints, Ints]:
    """Requests and bad ones by value of a dimension and step, shape (values, steps). Each code has all requests."""
    size, steps = len(observed.names[dimension]), counts.steps
    if dimension == CODE:
        n, value = np.tile(counts.requests(), (size, 1)), counts.bad_leaf % observed.codes
    else:
        of_group = observed.groups[SERVED_BY.index(dimension)]
        n = _table(of_group[counts.group], counts.at, counts.n, size, steps)
        value = of_group[counts.bad_leaf // observed.codes]
    return n, _table(value, counts.bad_at, counts.bad, size, steps)


def _table(value: Ints, at: Ints, counts: Ints, size: int, steps: int) -> Ints:
    return np.bincount(value * steps + at, counts, size * steps).reshape(size, steps).astype(np.int64)


def series(n: Ints, bad: Ints, expected: Floats, phi: float) -> Series:
    """Return a series with the band in which its windows lie when nothing is wrong."""
    spread = BAND * np.sqrt(phi * np.maximum(expected, 0.0))
    return Series(n, bad, expected, np.maximum(expected - spread, 0.0), expected + spread)
