"""What a token may do with a bucket, found out by doing it: reading one point, and writing none."""

from __future__ import annotations

from pratique.errors import DataError, DeniedError, MissingError
from pratique.store.influxdb.client import InfluxClient

ONE_POINT = "from(bucket: bucket) |> range(start: -1m) |> limit(n: 1)"
COMMENT = b"# pratique: does this token write?\n"
_NO_POINTS = "requires points"


def may_read(client: InfluxClient, bucket: str) -> None:
    """Confirm that the token reads a bucket.

    Raises: DeniedError when it may not; MissingError when server or token know no such organisation or bucket;
    UnavailableError.
    """
    with client.query(ONE_POINT, {"bucket": bucket}) as pieces:
        for _ in pieces:
            pass


def may_write(client: InfluxClient, bucket: str) -> None:
    """Confirm that the token writes to a bucket, without writing anything. Raises: as `may_read`."""
    try:
        client.write(bucket, COMMENT)
    except MissingError as error:
        raise DeniedError(str(error)) from error
    except DataError as error:
        # the server looks at the permission first
        if _NO_POINTS not in str(error):
            raise
