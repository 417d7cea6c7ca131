"""Read a CSV file through DuckDB: every value as text, so that 1.10 stays 1.10 and 007 stays 007.

The file is opened, unpacked and checked like a log, and DuckDB reads it a block of complete rows at a time, from a file in
memory. So compressed files, FIFOs and standard input need nothing else, a file is read once, and memory does not grow with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from pratique.errors import DataError
from pratique.telemetry.file_reader import LONGEST_LINE, LogReader
from pratique.telemetry.tables.arrow import ROWS
from pratique.telemetry.tables.csv_dialect import Dialect, dialect_of
from pratique.telemetry.tables.csv_quotes import UNCLOSED, QuoteGuard
from pratique.telemetry.tables.engine import locked_to, rejected
from pratique.telemetry.tables.parser import BAD

_TOO_LONG = "\x1atoo long"
"""In place of a line that is longer than a line may be."""
_NEVER = "\x1a\x1a"
"""A text that stands for null: an empty value is none, but a value that a row lacks is."""


class CsvFile:
    """One CSV file. names: of its columns. progress: see LogReader."""

    first_row = 2
    """The number of the first row: the header is line 1."""

    def __init__(self, path: Path, reader: LogReader) -> None:
        """Raises: DataError when it is no CSV; as LogReader."""
        self._path = path
        self._reader = reader
        try:
            self._dialect: Dialect = dialect_of(reader.peek())
        except DataError as error:
            raise DataError(f"{str(path)!r}: {error}; nothing was stored") from error
        self.first_row = 2 if self._dialect.has_header else 1
        self.names: Sequence[str] = self._dialect.names
        self.swallowed = 0
        """Lines with a quote that is never closed."""

    def batches(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield the named columns of the rows, and BAD. Raises: DataError; as LogReader."""
        guard = QuoteGuard(self._dialect.delimiter, len(self.names))
        descriptor = os.memfd_create("csv", os.MFD_CLOEXEC)
        try:
            with locked_to(descriptor, self._path) as (connection, file):
                has_header = self._dialect.has_header
                for content in self._contents(guard):
                    _replace(descriptor, content)
                    rows = connection.sql(self._query(file, names, has_header=has_header)).to_arrow_reader(ROWS)
                    for batch in rows:
                        yield self._checked(pl.DataFrame(batch), names)
                    self._check_lengths(rejected(connection))
                    has_header = False
            self.swallowed += guard.rejected
        finally:
            os.close(descriptor)

    def _contents(self, guard: QuoteGuard) -> Iterator[bytes]:
        """Yield complete rows."""
        skip = self._dialect.declared
        try:
            for block in self._reader.blocks():
                content = f"{_TOO_LONG}\n".encode() if block.too_long else _utf8(block.content[skip:])
                skip = 0
                if rows := guard.lines(content):
                    yield rows
            if rows := guard.end():
                yield rows
        except DataError as error:
            told = str(self._path) in str(error)
            raise error if told else DataError(f"{str(self._path)!r}: {error}; nothing was stored") from error

    def _check_lengths(self, too_long: Sequence[str]) -> None:
        """Raise for a row that is longer than a line may be."""
        if too_long:
            raise DataError(
                f"{str(self._path)!r}: a row with {too_long[0][:60]!r} is longer than {LONGEST_LINE:,} bytes: "
                "probably a quote that is never closed; nothing was stored"
            )

    def _query(self, file: str, names: Sequence[str], *, has_header: bool) -> str:
        width = len(self.names)
        kinds = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(width + 1))
        positions = {name: index for index, name in reversed(list(enumerate(self.names)))}
        wanted = [f'c{positions[name]} AS "x{number}"' for number, name in enumerate(names)]
        delimiter = self._dialect.delimiter.replace("'", "''")
        checks = [
            f"c{width - 1} IS NULL AS is_short",
            f"coalesce(c{width}, '') <> '' AS is_long",
            "c0 AS first",
        ]
        return (
            f"SELECT {', '.join([*wanted, *checks])} FROM read_csv('{file}', auto_detect = false, "  # noqa: S608 - no text of the file
            f"delim = '{delimiter}', quote = '\"', escape = '\"', header = {str(has_header).lower()}, "
            f"columns = {{{kinds}}}, null_padding = true, strict_mode = false, parallel = false, nullstr = '{_NEVER}', "
            f"store_rejects = true, rejects_limit = 1, max_line_size = {LONGEST_LINE + 1024}, "
            f"buffer_size = {4 * LONGEST_LINE})"
        )

    def _checked(self, batch: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
        width = len(self.names)
        bad = (
            pl.when(pl.col("first") == _TOO_LONG)
            .then(pl.lit(f"it is longer than {LONGEST_LINE:,} bytes"))
            .when(pl.col("first").str.starts_with(UNCLOSED))
            .then(pl.lit("its quotes do not fit: a quote is never closed, or text stands behind a closing one"))
            .when("is_short")
            .then(pl.lit(f"it has fewer than the {width} values of the first line"))
            .when("is_long")
            .then(pl.lit(f"it has more than the {width} values of the first line"))
        )
        return batch.select(
            *(pl.col(f"x{number}").alias(name) for number, name in enumerate(names)), bad.otherwise(None).alias(BAD)
        )


def _utf8(content: bytes) -> bytes:
    """The content with every byte that is no UTF-8 replaced, as in a log."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode("utf-8", "replace").encode()
    return content


def _replace(descriptor: int, content: bytes) -> None:
    """Make this the content of a file."""
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
