"""How many requests took less than some durations, from the sparse histograms of rollups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pratique.telemetry.buckets import PER_DOUBLING


def counts_under(bucket: pa.ListArray, count: pa.ListArray, doublings: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return for each row how many of its requests took less than 2^d ms, and as last column how many have a duration.

    doublings: each d, rising; powers of two are bounds of the latency buckets, so the counts are exact. bucket, count: the sparse
    histograms. Shape (rows, len(doublings) + 1).
    """
    lengths = bucket.value_lengths().to_numpy(zero_copy_only=False)
    row = np.repeat(np.arange(len(bucket)), lengths)
    buckets, counts = bucket.flatten().to_numpy(), count.flatten().to_numpy()
    # the first threshold above each bucket; those above all thresholds only have a duration
    column = np.searchsorted(np.array(doublings) * PER_DOUBLING, buckets, side="right")
    found = np.zeros((len(bucket), len(doublings) + 1), np.int64)
    np.add.at(found, (row, column), counts)
    return np.cumsum(found, axis=1)
