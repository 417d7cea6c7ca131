"""Questions to a store in SQL: DuckDB reads the Parquet files of one snapshot itself; no extension is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import duckdb
import pyarrow as pa

from pratique.store import scan
from pratique.store.base import Seen
from pratique.store.datafile import FILE_SCHEMA, READ_SCHEMA
from pratique.store.location import Place
from pratique.store.snapshot import StoredFile
from pratique.store.summary import moment

_SEEN = """
    SELECT service, revision, epoch_ms(min("window")), epoch_ms(max("window")), sum(n)
    FROM rollups
    WHERE ($first IS NULL OR epoch_ms("window") >= $first) AND ($last IS NULL OR epoch_ms("window") <= $last)
    GROUP BY service, revision
"""


def seen(place: Place, files: Sequence[StoredFile], first_ms: int | None, last_ms: int | None) -> list[Seen]:
    """What was seen in windows between two starts, both included, by service and revision."""
    with _rollups(place, files) as connection:
        found = connection.execute(_SEEN, {"first": first_ms, "last": last_ms}).fetchall()
    return [
        Seen(service, revision, moment(first), moment(last), int(requests))
        for service, revision, first, last, requests in found
    ]


def ask(place: Place, files: Sequence[StoredFile], sql: str, parameters: Sequence[object]) -> pa.Table:
    """The answer to a query on the view `rollups`."""
    with _rollups(place, files) as connection:
        return connection.sql(sql, params=list(parameters)).to_arrow_table()


@contextmanager
def _rollups(place: Place, files: Sequence[StoredFile]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection on which the files of a snapshot are the view `rollups`, with the columns of SCHEMA."""
    settings = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    with duckdb.connect(":memory:", config=settings) as connection:
        try:
            if place.folder is None or not files:
                connection.register("rollups", _fetched(place, files))
            else:
                connection.execute(f"CREATE VIEW rollups AS {_view(place, files)}")
            yield connection
        except duckdb.IOException as error:
            gone = "no files found" in str(error).lower() or "no such file" in str(error).lower()
            raise (FileNotFoundError if gone else OSError)(str(error)) from error
        except duckdb.InvalidInputException as error:
            raise pa.ArrowInvalid(str(error)) from error


def _view(place: Place, files: Sequence[StoredFile]) -> str:
    by_service = sorted(files, key=_service)
    return " UNION ALL ".join(_select(place, service, group) for service, group in groupby(by_service, key=_service))


def _select(place: Place, service: str, files: Iterable[StoredFile]) -> str:
    columns = ", ".join(f'"{name}"' for name in FILE_SCHEMA.names)
    paths = ", ".join(_quoted(f"{place.folder}/{file.path}") for file in files)
    # A view takes no parameters; both are quoted.
    return f"SELECT {columns}, {_quoted(service)} AS service FROM read_parquet([{paths}], hive_partitioning=false)"  # noqa: S608


def _service(file: StoredFile) -> str:
    return file.service


def _fetched(place: Place, files: Sequence[StoredFile]) -> pa.Table:
    """Object storage is read by Arrow: DuckDB alone would need an extension for it."""
    if not files:
        return READ_SCHEMA.empty_table()
    return pa.concat_tables([scan.rows(place.files, [file]) for file in files]).unify_dictionaries()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
