"""Query a store in SQL. DuckDB reads the Parquet files of one snapshot directly, without an extension."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import duckdb
import pyarrow as pa

from pratique.clock import from_ms
from pratique.store import scan
from pratique.store.base import Seen
from pratique.store.datafile import FILE_SCHEMA
from pratique.store.location import Location
from pratique.store.rows import READ_SCHEMA
from pratique.store.snapshot import StoredFile

_SEEN = """
    SELECT service, revision, epoch_ms(min("window")), epoch_ms(max("window")), sum(n)
    FROM rollups
    WHERE ($first IS NULL OR epoch_ms("window") >= $first) AND ($last IS NULL OR epoch_ms("window") <= $last)
    GROUP BY service, revision
"""


def seen(location: Location, files: Sequence[StoredFile], first_ms: int | None, last_ms: int | None) -> list[Seen]:
    """Return the revisions with requests in windows between two starts (epoch ms), both included."""
    with _rollups(location, files) as connection:
        found = connection.execute(_SEEN, {"first": first_ms, "last": last_ms}).fetchall()
    return [
        Seen(service, revision, from_ms(first), from_ms(last), int(requests))
        for service, revision, first, last, requests in found
    ]


def run(location: Location, files: Sequence[StoredFile], sql: str, parameters: Sequence[object]) -> pa.Table:
    """Return the result of a query on the view `rollups`. parameters: one for each "?" in it."""
    with _rollups(location, files) as connection:
        return connection.sql(sql, params=list(parameters)).to_arrow_table()


@contextmanager
def _rollups(location: Location, files: Sequence[StoredFile]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in which the view `rollups` has the rows of the files, with the columns of SCHEMA."""
    settings = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    with duckdb.connect(":memory:", config=settings) as connection:
        try:
            if location.folder is None or not files:
                connection.register("rollups", _fetched(location, files))
            else:
                connection.execute(f"CREATE VIEW rollups AS {_view(location, files)}")
            yield connection
        except duckdb.IOException as error:
            gone = "no files found" in str(error).lower() or "no such file" in str(error).lower()
            raise (FileNotFoundError if gone else OSError)(str(error)) from error
        except duckdb.InvalidInputException as error:
            raise pa.ArrowInvalid(str(error)) from error


def _view(location: Location, files: Sequence[StoredFile]) -> str:
    by_service = sorted(files, key=_service)
    return " UNION ALL ".join(_select(location, service, group) for service, group in groupby(by_service, key=_service))


def _select(location: Location, service: str, files: Iterable[StoredFile]) -> str:
    columns = ", ".join(f'"{name}"' for name in FILE_SCHEMA.names)
    paths = ", ".join(_quoted(f"{location.folder}/{file.path}") for file in files)
    # a view has no parameters, so both are quoted
    return f"SELECT {columns}, {_quoted(service)} AS service FROM read_parquet([{paths}], hive_partitioning=false)"  # noqa: S608


def _service(file: StoredFile) -> str:
    return file.service


def _fetched(location: Location, files: Sequence[StoredFile]) -> pa.Table:
    """The rows, read by Arrow: for object storage DuckDB would need an extension."""
    if not files:
        return READ_SCHEMA.empty_table()
    return pa.concat_tables([scan.rows(location.files, [file]) for file in files]).unify_dictionaries()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
