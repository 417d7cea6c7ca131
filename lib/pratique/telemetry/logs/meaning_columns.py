"""What columns of texts of access lines mean: the rules of `meaning`, for the import.

Source: HAProxy 3.0 Configuration Manual, sections 8.4 (timing events) and 8.5 (termination states); RFC 9112, section
3.2 (forms of a request target).
"""

from __future__ import annotations

import polars as pl

from pratique.telemetry.logs.meaning import AUTHORITY, GONE, NO_ANSWER


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


def failed_attempts_column(text: pl.Expr) -> pl.Expr:
    """How many servers failed before the one that answered, by nginx's list; redirects (" : ") are no failures."""
    return text.str.count_matches(",", literal=True)


def last_of_list_column(text: pl.Expr) -> pl.Expr:
    """The value of the server that gave the client's answer: the last of nginx's list."""
    return text.str.extract(r"([^ ,]+)\s*$")
