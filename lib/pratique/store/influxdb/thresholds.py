"""Counts of requests under fixed durations, in fields that other programs can sum: what a latency panel needs.

The packed histogram is a string, which Flux would have to take apart for each point. These fields are written in every point, zeros
too, so that a point which is written again replaces them all.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pratique.telemetry.buckets import PER_DOUBLING

DOUBLINGS = tuple(range(4, 12))
THRESHOLDS_MS = tuple(2**doubling for doubling in DOUBLINGS)
"""16 ms to 2 s; powers of two are bounds of the latency buckets, so the counts are exact."""
TIMED = "timed"
"""The field of requests with a duration."""
FIELDS = (*(f"under_{threshold}" for threshold in THRESHOLDS_MS), TIMED)


def under(bucket: pa.ListArray, count: pa.ListArray) -> npt.NDArray[np.int64]:
    """Return for each row how many of its requests took less than each threshold, and how many have a duration.

    bucket, count: the sparse histograms. Shape (rows, len(FIELDS)).
    """
    lengths = bucket.value_lengths().to_numpy(zero_copy_only=False)
    row = np.repeat(np.arange(len(bucket)), lengths)
    buckets, counts = bucket.flatten().to_numpy(), count.flatten().to_numpy()
    # the first threshold above each bucket; those above all thresholds are only timed
    column = np.searchsorted(np.array(DOUBLINGS) * PER_DOUBLING, buckets, side="right")
    found = np.zeros((len(bucket), len(FIELDS)), np.int64)
    np.add.at(found, (row, column), counts)
    return np.cumsum(found, axis=1)
