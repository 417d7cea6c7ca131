"""DuckDB, locked to one input: it opens no other file, no network, no extension, and keeps to its memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pratique.errors import DataError

MEMORY = "256MB"
"""Memory of DuckDB; beyond it the read fails instead of the process."""


@contextmanager
def locked_to(descriptor: int, path: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """Yield a connection and the name under which it reads an open file.

    The name is that of the descriptor: nothing in the name of a file, such as a quote or "*", has a meaning. path: for
    messages. Raises: DataError for what DuckDB cannot read.
    """
    name = f"/proc/self/fd/{descriptor}"
    settings = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "memory_limit": MEMORY,
        "threads": 2,
        "temp_directory": "",
        # a file in memory has other content at each reading
        "enable_external_file_cache": False,
    }
    with duckdb.connect(":memory:", config=settings) as connection:
        connection.execute(f"SET allowed_paths = ['{name}']")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        try:
            yield connection, name
        except duckdb.OutOfMemoryException as error:
            raise DataError(
                f"{str(path)!r}: a value or a row group needs more than {MEMORY}: nothing was stored; check for a quote that is "
                "never closed, or write smaller row groups"
            ) from error
        except duckdb.Error as error:
            reason = str(error).splitlines()[0].replace(name, path.name)
            raise DataError(f"{str(path)!r} cannot be read: {reason[:300]}; nothing was stored") from error


def rejected(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the rows of CSV that were too long to be read, the first one first."""
    return [row for (row,) in connection.execute("SELECT csv_line FROM reject_errors ORDER BY line").fetchall()]


def quoted(name: str) -> str:
    """Return the name of a column for SQL."""
    return '"' + name.replace('"', '""') + '"'
