"""Rollups from points that arrive as Python values, as the answers of InfluxQL and SQL in JSON give them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from pratique.errors import DataError
from pratique.store.influxdb import answer
from pratique.store.rows import DICTIONARY, READ_SCHEMA

AT_ONCE = 50_000
"""Points that are kept as Python values at once."""


def points(rows: Iterable[Sequence[Any]], name: str) -> pa.Table:
    """Return rollups with READ_SCHEMA. rows: epoch ms, the packed field, then the tags. name: the store, for messages.

    Raises: DataError for points that are not those of `lines`.
    """
    rest, tables = iter(rows), []
    while batch := list(islice(rest, AT_ONCE)):
        try:
            tables.append(_table(batch))
        except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError) as error:
            text = " ".join(str(error).split())[:200]
            raise DataError(f"store {name!r} cannot be read: it has points that are not Pratique's: {text}") from error
    return pa.concat_tables(tables).unify_dictionaries() if tables else READ_SCHEMA.empty_table()


def _table(batch: Sequence[Sequence[Any]]) -> pa.Table:
    time, packed, *tags = zip(*batch, strict=True)
    columns = [
        pa.array(time, pa.int64()).cast(pa.timestamp("ms")).cast(pa.timestamp("ms", tz="UTC")),
        pa.array(packed, pa.string()),
        *(pa.array(values, pa.string()).dictionary_encode().cast(DICTIONARY) for values in tags),
    ]
    return answer.rollups(pa.table(dict(zip(answer.COLUMNS, columns, strict=True))))
