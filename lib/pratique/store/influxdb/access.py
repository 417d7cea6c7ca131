"""The rights of a token for a bucket, found out by trying: it reads the marks of writes, and writes nothing but a comment."""

from __future__ import annotations

from pratique.errors import DataError
from pratique.store.influxdb.bucket_reader import reader_of
from pratique.store.influxdb.client import InfluxClient

COMMENT = b"# pratique: does this token write?\n"
_NO_POINTS = "requires points"


def may_read(client: InfluxClient, bucket: str) -> None:
    """Confirm that the token reads a bucket.

    Raises: DeniedError when it may not; MissingError when server or token know no such organisation or bucket;
    UnavailableError.
    """
    reader_of(client, bucket).marks()


def may_write(client: InfluxClient, bucket: str) -> None:
    """Confirm that the token writes to a bucket, without writing anything. Raises: as `may_read`."""
    try:
        client.write(bucket, COMMENT)
    except DataError as error:
        # the server looks at the permission first
        if _NO_POINTS not in str(error):
            raise
