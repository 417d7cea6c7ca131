"""How a CSV file separates its values, and whether it has a header: by its first lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from pratique.errors import DataError

SAMPLE = 1 << 16
"""Bytes at the beginning that are looked at."""
RECORDS = 50
MOST_COLUMNS = 2000
_DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR = re.compile(rb'^"?sep=(.)"?\r?\n')
_VALUE = re.compile(r"^[-+]?[0-9][0-9.,]*$|^[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}")
"""A number or a time, which no header has."""


@dataclass(frozen=True)
class Dialect:
    """delimiter: between values. names: of the columns. has_header: whether the first line names them.

    declared: bytes in front of the content, in which a spreadsheet names the delimiter.
    """

    delimiter: str
    names: tuple[str, ...]
    has_header: bool
    declared: int = 0


def dialect_of(first: bytes) -> Dialect:
    """Return the dialect of a file by its first bytes. Raises: DataError when it is no CSV, or has too many columns."""
    declared = _SEPARATOR.match(first)
    length = declared.end() if declared else 0
    text = first[length : length + SAMPLE].decode("utf-8", "replace").lstrip("\r\n")
    is_cut = len(first) - length > SAMPLE
    delimiters = (declared[1].decode("latin-1"),) if declared else _DELIMITERS
    found = [(delimiter, _records(text, delimiter, is_cut=is_cut)) for delimiter in delimiters]
    delimiter, records = max(found, key=lambda pair: _score(pair[1]))
    if not records:
        raise DataError("it has no line")
    header = records[0]
    if len(header) > MOST_COLUMNS:
        raise DataError(f"it has {len(header):,} columns: at most {MOST_COLUMNS:,} can be read")
    if len(header) < 2:
        raise DataError(f"its lines are no CSV: {header[0][:80]!r} has no comma, semicolon, tab or |")
    has_header = any(header) and not any(_VALUE.match(name.strip()) for name in header)
    names = [name.strip() for name in header] if has_header else [""] * len(header)
    return Dialect(
        delimiter, tuple(name or f"column{index}" for index, name in enumerate(names, 1)), has_header, length
    )


def _records(text: str, delimiter: str, *, is_cut: bool) -> list[list[str]]:
    try:
        records = [
            row for row in islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), RECORDS) if row
        ]
    except csv.Error:
        return []
    return records[:-1] if is_cut and 1 < len(records) < RECORDS else records


def _score(records: Sequence[Sequence[str]]) -> tuple[bool, float, int]:
    """Whether lines are divided, the share of lines with as many values as the first, and how many those are."""
    if not records:
        return (False, 0.0, 0)
    width = len(records[0])
    return (width > 1, sum(len(row) == width for row in records) / len(records), width)
