"""Ask in InfluxQL, whose answers are read as JSON: in CSV it hides its errors.

Values are bound by the server. Answers come in chunks, one JSON object a line; the last one is not marked as partial.
The server runs the statements of a request one after the other: each begins when the rows of the one before it are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from pratique.clock import EPOCH
from pratique.errors import DataError, MissingError, UnavailableError
from pratique.store.influxdb.client import InfluxClient
from pratique.store.influxdb.json_lines import json_lines

_FORM = "application/x-www-form-urlencoded; charset=utf-8"
Series = dict[str, Any]
"""The "tags", "columns" and "values" of an answer."""


def ask(
    client: InfluxClient, statements: str, values: Mapping[str, str], *, database: str, policy: str, epoch: str = "ms"
) -> Iterator[tuple[int, Series]]:
    """Yield the number of the statement and each series of its answer. policy: "" for the usual one. epoch: the unit of times.

    Raises: MissingError without the database; DataError for a refused query; UnavailableError for an answer that was cut
    off; as `InfluxClient.answer`.
    """
    form = {"db": database, "q": statements, "params": json.dumps(dict(values)), "epoch": epoch, "chunked": "true"}
    if policy:
        form["rp"] = policy
    headers = {"Content-Type": _FORM, "Accept": "application/json"}
    whole = False
    with client.answer("/query", urlencode(form).encode(), headers=headers) as pieces:
        for found in json_lines(pieces, client.name):
            whole, results = False, _results(found, client.name)
            for result in results:
                for series in result.get("series") or ():
                    yield int(result.get("statement_id", 0)), series
            whole = not any(result.get("partial") for result in results)
    if not whole:
        raise cut_off(client.name)


def cut_off(name: str) -> UnavailableError:
    """Return the error for an answer that is not whole. name: the store."""
    return UnavailableError(f"store {name!r} cannot be read: its answer was cut off: try again")


def time_range(first: datetime, stop: datetime) -> str:
    """Return the condition for times in [first, stop)."""
    return f"time >= {_ms(first)}ms AND time < {_ms(stop)}ms"


def values_of(series: Series, columns: Sequence[str]) -> Iterator[list[Any]]:
    """Yield the values of a series, in the order of `columns`."""
    order = [series["columns"].index(name) for name in columns]
    for row in series["values"]:
        yield [row[position] for position in order]


def _results(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The results of a chunk. Raises: MissingError, DataError for an error within it."""
    results = found.get("results", [])
    for told in (found.get("error"), *(result.get("error") for result in results)):
        if told:
            text = " ".join(str(told).split())[:200]
            kind = MissingError if "not found" in text else DataError
            raise kind(f"store {name!r} cannot be read: the server refuses the query: {text}")
    return list(results)


def _ms(time: datetime) -> int:
    """Milliseconds since 1970, rounded up, which preserves the meaning of [first, stop)."""
    return -((EPOCH - time) // timedelta(milliseconds=1))
