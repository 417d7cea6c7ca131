"""Read a Parquet file through DuckDB: only the columns that are needed, a batch of rows at a time."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa

from pratique.errors import DataError, DeniedError, UsageError
from pratique.telemetry.tables.arrow import ROWS, frame_of, places_of
from pratique.telemetry.tables.engine import locked_to, quoted

MAGIC = b"PAR1"


class ParquetFile:
    """One Parquet file. names: of its columns, dotted where they are nested. head: what identifies its content."""

    first_row = 1
    swallowed = 0

    def __init__(self, path: Path, progress: Callable[[int], None] | None) -> None:
        """progress: called with the bytes read so far. Raises: UsageError (a pipe), DeniedError, DataError."""
        self._path = path
        self._progress = progress or (lambda _: None)
        try:
            # without waiting for the writer of a pipe
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise DeniedError(f"file {str(path)!r} cannot be read: {error.strerror}") from error
        self._size = os.fstat(self._descriptor).st_size
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            self.close()
            raise UsageError(f"{str(path)!r} is a pipe or device: Parquet is read from a file")
        try:
            self.head = MAGIC + self._digest()
            with locked_to(self._descriptor, path) as (connection, file):
                counted = connection.execute(f"SELECT count(*) FROM {_table(file)}").fetchall()  # noqa: S608
                schema = connection.sql(f"SELECT * FROM {_table(file)} LIMIT 0").to_arrow_table().schema  # noqa: S608
        except BaseException:
            self.close()
            raise
        self._rows = int(counted[0][0])
        self._places = dict(places_of(schema))
        self.names: Sequence[str] = list(self._places)

    def batches(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield the named columns of the rows. Raises: DataError."""
        wanted = ", ".join(f"{_path(self._places[name])} AS {quoted(f'x{i}')}" for i, name in enumerate(names))
        done = 0
        with locked_to(self._descriptor, self._path) as (connection, file):
            for batch in connection.sql(f"SELECT {wanted} FROM {_table(file)}").to_arrow_reader(ROWS):  # noqa: S608
                done += batch.num_rows
                yield frame_of(pa.Table.from_batches([batch]), names)
                self._progress(self._size * done // max(self._rows, 1))

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _digest(self) -> bytes:
        """The digest of the whole content: the first bytes of two files may well be the same."""
        digest = hashlib.sha256()
        with open(self._descriptor, "rb", closefd=False, buffering=0) as file:
            if file.read(4) != MAGIC:
                raise DataError(f"{str(self._path)!r} is no Parquet file: check --format; nothing was stored")
            file.seek(0)
            while part := file.read(1 << 20):
                digest.update(part)
        return digest.digest()


def _table(file: str) -> str:
    return f"read_parquet('{file}', hive_partitioning = false, binary_as_string = true)"


def _path(place: tuple[str, ...]) -> str:
    found = quoted(place[0])
    for key in place[1:]:
        found = f"struct_extract({found}, '{key.replace(chr(39), chr(39) * 2)}')"
    return found
