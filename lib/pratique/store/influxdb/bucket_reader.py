"""Ask a bucket in the language that its server speaks: Flux (InfluxDB 2), InfluxQL (1.8 and newer), or SQL (3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from pratique.errors import DataError
from pratique.store.base import Seen
from pratique.store.influxdb.client import InfluxClient
from pratique.store.influxdb.flux_reader import FluxReader
from pratique.store.influxdb.influxql_reader import InfluxqlReader
from pratique.store.influxdb.marks import Mark
from pratique.store.influxdb.sql_reader import SqlReader

OLDEST = (1, 8)
"""The first version with the write API of InfluxDB 2, by which all of them are written."""


class BucketReader(Protocol):
    """The questions of a store. Names are as Pratique has them; times are UTC, ranges [first, stop) over window starts."""

    @property
    def deletes(self) -> bool:
        """Whether the server can delete rows."""

    @property
    def client(self) -> InfluxClient:
        """The client of the server."""

    def rows(self, service: str, revisions: Sequence[str], first: datetime, stop: datetime) -> pa.Table:
        """Return the rows of some revisions, in no order, with READ_SCHEMA. Raises: as `InfluxClient.query`."""

    def seen(self, service: str | None, first: datetime, stop: datetime) -> list[Seen]:
        """List the revisions with requests, oldest first. Raises: as `InfluxClient.query`."""

    def marks(self, service: str | None = None) -> list[Mark]:
        """Return the last mark of each service and source. Raises: as `InfluxClient.query`."""

    def delete(self, tags: Mapping[str, str], *, measurement: str) -> None:
        """Delete the points with these tags, as they are stored. Raises: as `InfluxClient.delete`."""


_READERS: dict[int, Callable[[InfluxClient, str], BucketReader]] = {1: InfluxqlReader, 2: FluxReader, 3: SqlReader}


def reader_of(client: InfluxClient, bucket: str) -> BucketReader:
    """Return the reader for a server, by its version. Raises: DataError for one that is too old; as `InfluxClient.ping`."""
    return _READERS[kind_of(client.ping())](client, bucket)


def kind_of(version: str) -> int:
    """Return the kind of a server: 1, 2 or 3. version: as the server tells it. Raises: DataError when it is not supported."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found is None:
        # a build from source tells no number; those that exist are InfluxDB 2
        return 2
    number = int(found[1]), int(found[2])
    if number < OLDEST:
        raise DataError(
            f"the server is InfluxDB {version[:40]}, which has no /api/v2/write: Pratique needs 1.8 or newer, better 2.x"
        )
    if number[0] not in _READERS:
        raise DataError(f"the server is InfluxDB {version[:40]}, which Pratique does not know: it knows 1.8, 2 and 3")
    return number[0]
