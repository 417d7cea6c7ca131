"""Intervals and tests for small numbers, all exact: counts, shares, medians, and times of which some are not over yet.

Sources: Garwood 1936 (Poisson), Clopper & Pearson 1934 (binomial), order statistics for a median (David & Nagaraja 2003,
section 7.1), Kaplan & Meier 1958 with Greenwood's variance and log-log limits (Kalbfleisch & Prentice 2002, section 1.4),
Przyborowski & Wilenski 1940 (two rates), Fisher 1935 (two shares).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95
"""The confidence level of every interval; two periods differ when the test's p is at most 1 - LEVEL."""
FEWEST_FOR_MEDIAN = 6
"""Values from which the interval from the lowest to the highest holds the median with 95 %."""


@dataclass(frozen=True)
class Interval:
    """Both limits of an interval. low, high: the limits; None: without a limit on this side."""

    low: float | None
    high: float | None


def poisson_interval(count: int) -> Interval:
    """Return the limits of the mean of a Poisson variable that was seen once (Garwood)."""
    from scipy.stats import chi2  # noqa: PLC0415 - slow to load

    tail = (1.0 - LEVEL) / 2.0
    low = float(chi2.ppf(tail, 2 * count)) / 2.0 if count else 0.0
    return Interval(low, float(chi2.ppf(1.0 - tail, 2 * count + 2)) / 2.0)


def share_interval(count: int, of: int) -> Interval | None:
    """Return the limits of a share, from 0 to 1 (Clopper-Pearson); None for 0 of 0, which has no share."""
    from scipy.stats import binomtest  # noqa: PLC0415 - slow to load

    if not of:
        return None
    found = binomtest(count, of).proportion_ci(LEVEL, method="exact")
    return Interval(float(found.low), float(found.high))


def median(values: Sequence[float]) -> float | None:
    """Return the median; None without values."""
    return quantile(values, 0.5)


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return a quantile, linear between the values (Hyndman & Fan 1996, definition 7); None without values."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def median_interval(values: Sequence[float]) -> Interval | None:
    """Return the closest pair of values that holds the median with at least 95 %, whatever the distribution; None below 6 values."""
    from scipy.stats import binom  # noqa: PLC0415 - slow to load

    if len(values) < FEWEST_FOR_MEDIAN:
        return None
    ordered, number = sorted(values), len(values)
    # the largest rank below whose value the median is with a chance of at most half of what is left
    rank = int(binom.ppf((1.0 - LEVEL) / 2.0, number, 0.5))
    if binom.cdf(rank, number, 0.5) > (1.0 - LEVEL) / 2.0:
        rank -= 1
    return Interval(ordered[rank], ordered[number - 1 - rank])


@dataclass(frozen=True)
class Survival:
    """Kaplan-Meier's estimate of how long something takes, where some are not over yet.

    times: at which one or more ended, rising. surviving: share that takes longer than each, from 0 to 1.
    median: the first time at which at most half take longer; None: more than half of them take longer than any that ended.
    interval: of the median. ended, waiting: how many are over, and how many are not.
    """

    times: tuple[float, ...]
    surviving: tuple[float, ...]
    median: float | None
    interval: Interval
    ended: int
    waiting: int


def survival(ended: Sequence[float], waiting: Sequence[float]) -> Survival:
    """Return Kaplan-Meier's estimate. ended: how long each took. waiting: how long each has lasted so far."""
    times, over, still = sorted(set(ended)), sorted(ended), sorted(waiting)
    share, greenwood = 1.0, 0.0
    surviving, low, high = [], [], []
    for time in times:
        earlier = bisect_left(over, time)
        at_risk = len(over) - earlier + len(still) - bisect_left(still, time)
        deaths = bisect_right(over, time) - earlier
        share *= 1.0 - deaths / at_risk
        greenwood += deaths / (at_risk * (at_risk - deaths)) if at_risk > deaths else math.inf
        surviving.append(share)
        limits = _log_log(share, greenwood)
        low.append(limits[0])
        high.append(limits[1])
    interval = Interval(_first(times, low), _first(times, high))
    return Survival(tuple(times), tuple(surviving), _first(times, surviving), interval, len(ended), len(waiting))


def _log_log(share: float, greenwood: float) -> tuple[float, float]:
    if not 0.0 < share < 1.0:
        return share, share
    normal = 1.959963984540054
    spread = normal * math.sqrt(greenwood) / abs(math.log(share))
    return share ** math.exp(spread), share ** math.exp(-spread)


def _first(times: Sequence[float], shares: Sequence[float]) -> float | None:
    # a product of fractions that is one half may be a little above it
    return next((time for time, share in zip(times, shares, strict=True) if share <= 0.5 + 1e-12), None)


def rates_differ(count: int, days: float, before: int, days_before: float) -> bool:
    """Whether two Poisson rates differ at 5 % (exact conditional test). days: length of each period."""
    from scipy.stats import binomtest  # noqa: PLC0415 - slow to load

    if not count + before or days <= 0 or days_before <= 0:
        return False
    return bool(binomtest(count, count + before, days / (days + days_before)).pvalue <= 1.0 - LEVEL)


def shares_differ(count: int, of: int, before: int, of_before: int) -> bool:
    """Whether two shares differ at 5 % (Fisher's exact test)."""
    import numpy as np  # noqa: PLC0415 - slow to load
    from scipy.stats import fisher_exact  # noqa: PLC0415

    if not of or not of_before:
        return False
    table = np.array([[count, of - count], [before, of_before - before]])
    return bool(fisher_exact(table)[1] <= 1.0 - LEVEL)
