"""Latency buckets: OpenTelemetry's exponential histogram at scale 4.

Bucket i holds durations in [2^(i/16), 2^((i+1)/16)) ms: 4.4 % wide. Source: OpenTelemetry specification,
metrics data model, ExponentialHistogram (there the upper bound belongs to the bucket; here the lower does).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

PER_DOUBLING = 16
LOWEST = -160
"""The bucket of everything below 2^-10 ms, 0 ms included: balancers write timers in whole milliseconds."""
HIGHEST = 511
"""The bucket of everything from 2^31.9 ms (46 days) on."""


LONGEST_MS = 1e12
"""Durations from here on are not valid, whatever a log says."""


def bucket_of(duration_ms: float) -> int:
    """Return the bucket of one duration in ms, which must not be negative."""
    if duration_ms <= 0:
        return LOWEST
    guess = math.floor(math.log2(duration_ms) * PER_DOUBLING)
    guess += (duration_ms >= lower_ms(guess + 1)) - (duration_ms < lower_ms(guess))
    return min(max(guess, LOWEST), HIGHEST)


def buckets_of(duration_ms: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    """Return the buckets of durations in ms, none of them negative; the same as `bucket_of` for each."""
    with np.errstate(divide="ignore"):
        guess = np.floor(np.log2(duration_ms) * PER_DOUBLING)
    guess = np.clip(guess, LOWEST, HIGHEST)
    guess += (duration_ms >= np.exp2((guess + 1) / PER_DOUBLING)).astype(float)
    guess -= (duration_ms < np.exp2(guess / PER_DOUBLING)).astype(float)
    found: npt.NDArray[np.int16] = np.clip(guess, LOWEST, HIGHEST).astype(np.int16)
    return found


def lower_ms(bucket: int) -> float:
    """Return the lower bound of a bucket in ms, which belongs to it."""
    return float(2.0 ** (bucket / PER_DOUBLING))


def upper_ms(bucket: int) -> float:
    """Return the upper bound of a bucket in ms, which belongs to the next bucket."""
    return lower_ms(bucket + 1)


def first_bucket_from(bound_ms: float) -> int:
    """Return the first bucket that has only durations from a bound on: its lower bound is the bound, or above it."""
    if bound_ms <= 0:
        return LOWEST
    # a bound that was computed from a bucket may be off by the last digit
    return min(max(math.ceil(math.log2(bound_ms) * PER_DOUBLING - 1e-9), LOWEST), HIGHEST + 1)


def bucket_below(bound_ms: float) -> int:
    """Return the bucket whose upper bound is nearest to a bound of another histogram, at most 2.2 % away.

    Requests that are known to be at most that slow are counted there. Infinity gives the highest bucket.
    """
    if bound_ms <= 0:
        return LOWEST
    if math.isinf(bound_ms):
        return HIGHEST
    return min(max(round(math.log2(bound_ms) * PER_DOUBLING) - 1, LOWEST), HIGHEST - 1)
