"""Durations as programs write them, in milliseconds.

A number in a known unit; a number with its unit (12ms, 1.5 sec, 1m2.5s, 2 min 3 s); ISO 8601 (PT1M2.5S, as Java writes);
a clock (00:01:02.500, as .NET writes); and nginx's list of the times at several servers, which are added up. Any other
text is not a duration: its request counts untimed, and the import says how many there are.
"""

from __future__ import annotations

import polars as pl

from pratique.telemetry.logs.fields import IN_TEXT, MS_IN

_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?"
_WORDS = {
    "h|hrs?|hours?": 3_600_000.0,
    "m|mins?|minutes?": 60_000.0,
    "s|secs?|seconds?": 1000.0,
    "ms|msecs?|millis?|milliseconds?": 1.0,
    "[uµμ]s|usecs?|micros?|microseconds?": 0.001,
    "ns|nsecs?|nanos?|nanoseconds?": 0.000001,
}
"""The words for each unit, the largest unit first, with its milliseconds."""
_WITH_UNITS = f"(?i)^(?:P(?:0D)?T)?{''.join(f'(?:({_NUMBER}) ?(?:{words}) ?)?' for words in _WORDS)}$"
_CLOCK = r"^(?:([0-9]+)\.)?([0-9]{1,2}):([0-9]{2}):([0-9]{2}(?:[.,][0-9]+)?)$"
_CLOCK_MS = (86_400_000.0, 3_600_000.0, 60_000.0, 1000.0)
# nginx writes a blank behind the comma: 1,250 is a number with a sign for thousands, or with a decimal comma
_LIST = r"^(?:-|[0-9.]+)?(?:(?:,| :) (?:-|[0-9.]+)?)+$"
_LIST_NUMBER = r"[0-9]+(?:\.[0-9]+)?"


def duration_ms_column(text: pl.Series, unit: str) -> pl.Series:
    """Durations in milliseconds; null for a text that is none. unit: of numbers that stand alone, a key of MS_IN or IN_TEXT.

    A list ("0.004, 0.012 : 0.100", "-" where a server gave no answer) is the time at all servers together: their sum.
    """
    plain = _plain(text, unit)
    if plain.null_count() == text.null_count():
        return plain
    odd = text.filter(plain.is_null() & text.is_not_null()).unique()
    read = pl.DataFrame({"odd": odd}).select(
        "odd", value=pl.coalesce(_listed(unit), _with_units(), _by_clock()).cast(pl.Float64)
    )
    joined = pl.DataFrame({"odd": text, "plain": plain}).join(read, on="odd", how="left", maintain_order="left")
    return joined.select(pl.coalesce("plain", "value").alias("duration_ms"))["duration_ms"]


def tell_their_unit(texts: pl.Series) -> bool:
    """Whether durations tell their own unit: some do, and none is a number alone, but for 0."""
    numbers = texts.cast(pl.Float64, strict=False)
    known = pl.DataFrame({"odd": texts}).select(pl.coalesce(_with_units(), _by_clock()).is_not_null())
    return bool(known.to_series().any()) and not bool((numbers != 0).any())


def unread_column(text: pl.Expr, read_ms: pl.Expr) -> pl.Expr:
    """The texts that hold a number, and of which no duration was read; null for others, such as "-"."""
    text = text.cast(pl.String)
    return pl.when(read_ms.is_null() & text.str.contains("[0-9]")).then(text)


def _plain(text: pl.Series, unit: str) -> pl.Series:
    number = text.cast(pl.Float64, strict=False)
    return number.set(number != 0, None) if unit == IN_TEXT else number * MS_IN[unit]


def _listed(unit: str) -> pl.Expr:
    if unit == IN_TEXT:
        return pl.lit(None, pl.Float64)
    numbers = pl.col("odd").str.extract_all(_LIST_NUMBER).cast(pl.List(pl.Float64))
    return pl.when(pl.col("odd").str.contains(_LIST) & (numbers.list.len() > 0)).then(numbers.list.sum() * MS_IN[unit])


def _with_units() -> pl.Expr:
    parts = pl.col("odd").str.extract_groups(_WITH_UNITS)
    return _added([(parts.struct.field(str(index)), ms) for index, ms in enumerate(_WORDS.values(), 1)])


def _by_clock() -> pl.Expr:
    parts = pl.col("odd").str.extract_groups(_CLOCK)
    texts = [parts.struct.field(str(index)).str.replace(",", ".", literal=True) for index in range(1, 5)]
    return _added(list(zip(texts, _CLOCK_MS, strict=True)))


def _added(parts: list[tuple[pl.Expr, float]]) -> pl.Expr:
    """The sum of numbers as texts, each times its milliseconds; null where none is there."""
    numbers = [text.cast(pl.Float64, strict=False) * ms for text, ms in parts]
    return pl.when(pl.any_horizontal(number.is_not_null() for number in numbers)).then(pl.sum_horizontal(numbers))
