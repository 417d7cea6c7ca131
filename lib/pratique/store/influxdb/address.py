"""The address of a store in InfluxDB: influxdb://HOST:PORT/ORGANISATION/BUCKET, influxdbs:// with TLS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pratique.config.store import INFLUXDB, refuse_credentials
from pratique.errors import UsageError

DEFAULT_PORT = 8086


@dataclass(frozen=True)
class InfluxAddress:
    """A bucket on a server. url: the address as it was given. server: the base URL of the server's API."""

    url: str
    server: str
    organisation: str
    bucket: str

    @classmethod
    def of(cls, url: str) -> InfluxAddress:
        """Parse an address. Names may be percent-encoded, such as `my%20bucket`. The port is 8086 unless given.

        Raises: UsageError for an address of another form, or one that holds credentials.
        """
        refuse_credentials(url)
        wrong = UsageError(
            f"store {re.split('[?#]', url)[0][:200]!r} is not influxdb://HOST:PORT/ORGANISATION/BUCKET: correct store.url, and leave out ? and #"
        )
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or DEFAULT_PORT
        except ValueError:
            raise wrong from None
        names = [unquote(name) for name in parts.path.strip("/").split("/")]
        if (
            parts.scheme not in INFLUXDB
            or not host
            or parts.query
            or parts.fragment
            or len(names) != 2
            or not all(names)
        ):
            raise wrong
        if any(not name.isprintable() for name in [host, *names]):
            raise wrong
        scheme = "https" if parts.scheme == "influxdbs" else "http"
        return cls(url, f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}", *names)
