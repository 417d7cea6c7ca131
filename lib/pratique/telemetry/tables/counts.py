"""Rows that stand for several requests: counts by time, revision, action and code."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from pratique.errors import DataError
from pratique.telemetry.buckets import HIGHEST, LOWEST
from pratique.telemetry.logs.fields import MS_IN, Field

MOST = 1 << 53
"""Counts beyond this are not exact in floating point."""
LONGEST_S = 86_400
"""Seconds of the longest interval that counts may have."""


def read(frame: pl.DataFrame, columns: Mapping[str, str], fields: Mapping[str, Field]) -> pl.DataFrame:
    """Add n, sum_ms, bucket and count to a frame, and why_no_count: a reason, or null.

    columns, fields: the columns of the frame and the fields by their meaning: n, duration_sum, bucket and count.
    """
    n, duration_sum = pl.col(columns["n"]), fields.get("duration_sum")
    wrong_n = n.is_null() | ~n.is_between(0, MOST)
    reasons = [
        pl.when(wrong_n).then(pl.lit(f"its number of requests ({fields['n'].source}) is not a whole number from 0"))
    ]
    added = {"n": n}
    if duration_sum is not None:
        total = pl.col(columns["duration_sum"]).cast(pl.Float64, strict=False) * MS_IN[duration_sum.kind]
        given = pl.col(columns["duration_sum"]).is_not_null()
        wrong = given & (total.is_null() | (total < 0) | ~total.is_finite())
        reasons.append(
            pl.when(wrong).then(pl.lit(f"its sum of durations ({duration_sum.name}) is not a number from 0"))
        )
        added["sum_ms"] = total
    if {"bucket", "count"} <= columns.keys():
        bucket, count = pl.col(columns["bucket"]), pl.col(columns["count"])
        wrong = (
            (bucket.list.len() != count.list.len())
            | (bucket.list.min() < LOWEST)
            | (bucket.list.max() > HIGHEST)
            | (count.list.min() < 0)
            | (count.list.sum() > n)
            | bucket.list.eval(pl.element().is_null().any()).list.first()
            | count.list.eval(pl.element().is_null().any()).list.first()
        ).fill_null(value=False) | (bucket.is_null() != count.is_null())
        reasons.append(
            pl.when(wrong).then(pl.lit("its latency histogram (bucket and count) does not fit its requests"))
        )
        added |= {"bucket": bucket.cast(pl.List(pl.Int16), strict=False), "count": count}
    return frame.with_columns(**added, why_no_count=pl.coalesce(reasons))


def interval_s(times_ms: pl.Series, window_s: int) -> int | None:
    """Return the interval of counts in seconds: the step that all distances between their times are multiples of.

    None when there is only one time. window_s: length of the windows of single requests.
    Raises: DataError when the times have no such step, or a very long one.
    """
    times = times_ms.unique().sort()
    if len(times) < 2:
        return None
    steps = times.diff().drop_nulls()
    step = int(np.gcd.reduce(steps.to_numpy()))
    if step % 1000 == 0 and step <= LONGEST_S * 1000:
        return step // 1000
    typical = float(steps.median())  # type: ignore[arg-type]
    if typical <= window_s * 1000:
        return 1
    raise DataError(
        f"the counts have no regular interval (most times are {typical / 1000:g} s apart): give its length as "
        "--interval SECONDS"
    )


def window_of(interval: int, window_s: int) -> int:
    """Return the length of the windows of counts: the usual one where it holds whole intervals, else the interval."""
    return interval if window_s % interval else window_s
