"""What columns of texts of access lines mean: the rules of `meaning`, for the import.

Source: HAProxy 3.0 Configuration Manual, sections 8.4 (timing events) and 8.5 (termination states); RFC 9112, section
3.2 (forms of a request target).
"""

from __future__ import annotations

import polars as pl

from pratique.telemetry.logs.fields import MS_IN
from pratique.telemetry.logs.meaning import AUTHORITY, GONE, NO_ANSWER

_LIST_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_GO_DURATION = r"^(?:[0-9]+(?:\.[0-9]+)? ?(?:ns|us|µs|μs|ms|s|m|h))+$"
_GO_PARTS = {"h": 3_600_000.0, "m": 60_000.0, "s": 1000.0, "ms": 1.0, "[uµμ]s": 0.001, "ns": 0.000001}


def answer_code_column(code: pl.Expr, state: pl.Expr) -> pl.Expr:
    """The column of answer_code."""
    missing = pl.when(state.str.starts_with("C")).then(GONE).otherwise(NO_ANSWER)
    return pl.when(code <= 0).then(missing).otherwise(code)


def active_ms_column(total: pl.Expr, request: pl.Expr, response: pl.Expr) -> pl.Expr:
    """The column of active_ms; total as text."""
    value, began, answered = (text.cast(pl.Int64, strict=False) for text in (total, request, response))
    known = (answered >= 0) & (value >= 0) & ~total.str.starts_with("+")
    took = (value - pl.max_horizontal(began, pl.lit(0))).cast(pl.Float64)
    return pl.when(known).then(pl.max_horizontal(took, pl.lit(0.0)))


def target_path_column(target: pl.Series) -> pl.Series:
    """The column of target_path."""
    if target.str.contains("://", literal=True).any():
        rest = target.str.replace(AUTHORITY, "")
        path = rest.str.extract(r"^([^?#]*)")
        frame = pl.DataFrame({"target": target, "rest": rest, "path": path})
        slash = (pl.col("path") == "") & (pl.col("rest") != pl.col("target"))
        return frame.select(pl.when(slash).then(pl.lit("/")).otherwise("path").alias("path"))["path"]
    return target.str.extract(r"^([^?#]*)")


def is_no_name_column(text: pl.Expr) -> pl.Expr:
    """The column of is_no_name."""
    return text.is_in(["", "-"]) | (text.str.starts_with("<") & text.str.ends_with(">"))


def duration_ms_column(text: pl.Series, unit: str) -> pl.Series:
    """Durations in milliseconds: numbers in the unit, texts with a unit (12ms, 12 ms, 1m2.5s), and nginx's lists.

    A list ("0.004, 0.012 : 0.100", "-" where a server gave no answer) is the time at all servers together: their sum.
    """
    plain = text.cast(pl.Float64, strict=False) * MS_IN[unit]
    if plain.null_count() == text.null_count():
        return plain
    odd = text.filter(plain.is_null() & text.is_not_null()).unique()
    numbers = odd.str.extract_all(_LIST_NUMBER).list.eval(pl.element().cast(pl.Float64))
    summed = pl.DataFrame({"odd": odd, "numbers": numbers}).select(
        "odd",
        value=pl.when(pl.col("odd").str.contains(r"^(?:-|[0-9.]+)?(?:(?:,| :) ?(?:-|[0-9.]+)?)+$"))
        .then(pl.when(pl.col("numbers").list.len() > 0).then(pl.col("numbers").list.sum() * MS_IN[unit]))
        .when(pl.col("odd").str.contains(_GO_DURATION))
        .then(_go_duration(pl.col("odd"))),
    )
    joined = pl.DataFrame({"odd": text, "plain": plain}).join(summed, on="odd", how="left", maintain_order="left")
    return joined.select(pl.coalesce("plain", "value").alias("duration_ms"))["duration_ms"]


def _go_duration(text: pl.Expr) -> pl.Expr:
    parts = [
        text.str.extract(rf"([0-9]+(?:\.[0-9]+)?) ?{unit}(?:[0-9]|$)").cast(pl.Float64, strict=False).fill_null(0.0)
        * ms
        for unit, ms in _GO_PARTS.items()
    ]
    return pl.sum_horizontal(parts)


def failed_attempts_column(text: pl.Expr) -> pl.Expr:
    """How many servers failed before the one that answered, by nginx's list; redirects (" : ") are no failures."""
    return text.str.count_matches(",", literal=True)


def last_of_list_column(text: pl.Expr) -> pl.Expr:
    """The value of the server that gave the client's answer: the last of nginx's list."""
    return text.str.extract(r"([^ ,]+)\s*$")
