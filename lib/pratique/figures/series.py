"""The data behind the figures: rollups added up per revision and bin of time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pratique.telemetry.rollups import Rollups
from pratique.telemetry.windows import joined_s, lengths_s, starts_ms, within

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MAX_BINS = 48
"""More points than this are unreadable on a phone."""
NICE_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
Z95 = 1.959964


@dataclass(frozen=True)
class RequestSeries:
    """Requests of two revisions in bins of time, UTC, [start, end).

    times: start of each bin, datetime64[ms], shape (bins,); a bin lasts `bin_s` seconds.
    codes: for each revision, status code → requests, shape (bins,).
    buckets: indices i of the latency buckets, durations in [2^(i/16), 2^((i+1)/16)) ms, ascending without gaps.
    histogram: for each revision, requests that have a duration, shape (bins, buckets).
    """

    baseline: str
    canary: str
    start: datetime
    end: datetime
    bin_s: int
    times: npt.NDArray[np.datetime64]
    codes: dict[str, dict[int, Counts]]
    buckets: Counts
    histogram: dict[str, Counts]

    @property
    def revisions(self) -> tuple[str, str]:
        """Baseline and canary, in the order of ROLES."""
        return self.baseline, self.canary

    @property
    def middles(self) -> npt.NDArray[np.datetime64]:
        """The middle of each bin, datetime64[ms], shape (bins,): the x position of its point."""
        return self.times + np.timedelta64(self.bin_s * 500, "ms")

    def requests(self, revision: str) -> Counts:
        """Requests per bin, shape (bins,)."""
        return sum(self.codes[revision].values(), start=np.zeros(len(self.times), np.int64))

    def total(self, revision: str) -> int:
        """Requests in the whole range."""
        return int(self.requests(revision).sum())

    def of_class(self, revision: str, first_digit: int) -> Counts:
        """Requests per bin with a status code of one class (5 means 5xx), shape (bins,)."""
        chosen = (counts for code, counts in self.codes[revision].items() if code // 100 == first_digit)
        return sum(chosen, start=np.zeros(len(self.times), np.int64))


def request_series(rollups: Rollups, baseline: str, canary: str, start: datetime, end: datetime) -> RequestSeries:
    """Add up the rollups of two revisions in at most 48 bins of time: the windows wholly in [start, end), UTC."""
    table = within(rollups, start, end).table
    windows = starts_ms(table).to_numpy() // 1000
    bin_s = bin_length((end - start).total_seconds(), joined_s(*lengths_s(Rollups(table))))
    first = int(start.timestamp()) // bin_s * bin_s
    bins = max(1, -(-(int(np.ceil(end.timestamp())) - first) // bin_s))
    revisions = np.full(len(table), -1)
    for number, revision in enumerate((baseline, canary)):
        revisions[pc.equal(_plain(table["revision"]), revision).to_numpy(zero_copy_only=False)] = number
    rows = np.flatnonzero(revisions >= 0)
    cell = revisions[rows] * bins + (windows[rows] - first) // bin_s
    buckets, histogram = _histogram(table, rows, cell, 2 * bins)
    codes = _codes(table, rows, cell, bins)
    return RequestSeries(
        baseline=baseline,
        canary=canary,
        start=start,
        end=end,
        bin_s=bin_s,
        times=np.datetime64(first * 1000, "ms") + np.arange(bins) * np.timedelta64(bin_s * 1000, "ms"),
        codes={baseline: codes[0], canary: codes[1]},
        buckets=buckets,
        histogram={baseline: histogram[:bins], canary: histogram[bins:]},
    )


def bin_length(seconds: float, window_s: int) -> int:
    """Return the shortest round bin length in seconds that is a multiple of the window and makes at most 48 bins."""
    for nice in NICE_S:
        if nice % window_s == 0 and seconds / nice <= MAX_BINS:
            return nice
    day = NICE_S[-1]
    unit = day if seconds > MAX_BINS * day and day % window_s == 0 else window_s
    return unit * max(1, math.ceil(seconds / (MAX_BINS * unit)))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(column, pa.string()) if pa.types.is_dictionary(column.type) else column


def _codes(table: pa.Table, rows: Counts, cell: Counts, bins: int) -> tuple[dict[int, Counts], dict[int, Counts]]:
    code = table["code"].to_numpy()[rows].astype(np.int64)
    requests = table["n"].to_numpy()[rows]
    found, position = np.unique(code, return_inverse=True)
    flat = np.bincount(position * 2 * bins + cell, weights=requests, minlength=len(found) * 2 * bins)
    cube = flat.astype(np.int64).reshape(len(found), 2, bins)
    baseline, canary = ({int(found[k]): cube[k, arm] for k in range(len(found))} for arm in (0, 1))
    return baseline, canary


def _histogram(table: pa.Table, rows: Counts, cell: Counts, cells: int) -> tuple[Counts, Counts]:
    chosen = table.select(["bucket", "count"]).take(pa.array(rows))
    bucket = pc.list_flatten(chosen["bucket"]).to_numpy().astype(np.int64)
    counts = pc.list_flatten(chosen["count"]).to_numpy()
    if len(bucket) == 0:
        return np.zeros(0, np.int64), np.zeros((cells, 0), np.int64)
    lengths = pc.list_value_length(chosen["bucket"]).to_numpy()
    low, high = int(bucket.min()), int(bucket.max())
    width = high - low + 1
    flat = np.bincount(np.repeat(cell, lengths) * width + bucket - low, weights=counts, minlength=cells * width)
    return np.arange(low, high + 1), flat.astype(np.int64).reshape(cells, width)


def quantile(histogram: Counts, buckets: Counts, share: Floats | float) -> Floats:
    """Return the quantile of each row of a histogram in ms, shape (rows,); NaN for an empty row.

    share: the quantile as a share from 0 to 1, one for all rows or one per row. Durations within a bucket are
    assumed to be spread evenly on the log scale.
    """
    total = histogram.sum(axis=-1)
    if histogram.shape[-1] == 0:
        return np.full(len(total), np.nan)
    wanted = np.clip(share, 0.0, 1.0) * total
    cumulative = np.cumsum(histogram, axis=-1)
    at = np.minimum((cumulative < np.maximum(wanted, 1e-9)[:, None]).sum(axis=-1), len(buckets) - 1)
    inside = np.take_along_axis(histogram, at[:, None], axis=-1)[:, 0]
    before = np.take_along_axis(cumulative, at[:, None], axis=-1)[:, 0] - inside
    part = np.divide(wanted - before, inside, out=np.zeros_like(wanted), where=inside > 0)
    value = np.exp2((buckets[at] + np.clip(part, 0.0, 1.0)) / 16.0)
    return np.where(total > 0, value, np.nan)


def quantile_band(histogram: Counts, buckets: Counts, share: float) -> tuple[Floats, Floats]:
    """Return the 95 % confidence band of the quantile of each row in ms, from the binomial ranks around it.

    Source: David & Nagaraja, Order Statistics, 3rd ed., section 7.1, with the normal approximation.
    """
    total = np.maximum(histogram.sum(axis=-1), 1)
    half = Z95 * np.sqrt(share * (1.0 - share) / total)
    return quantile(histogram, buckets, share - half), quantile(histogram, buckets, share + half)


def share_interval(bad: int, requests: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share (Wilson's score interval); (0, 1) without requests.

    Source: Wilson 1927, JASA 22, 209-212.
    """
    if requests == 0:
        return 0.0, 1.0
    share, square = bad / requests, Z95**2
    centre = (share + square / (2 * requests)) / (1 + square / requests)
    half = Z95 / (1 + square / requests) * np.sqrt(share * (1 - share) / requests + square / (4 * requests**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))
