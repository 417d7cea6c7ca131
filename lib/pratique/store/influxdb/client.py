"""Speak to an InfluxDB 2 server: write lines, run Flux, delete, and manage buckets and tokens.

Every request has a time limit, and every failure is an error of `pratique.errors` in one line. A connection that the
server closed while it was idle is opened again once; nothing else is repeated here.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from influxdb_client import InfluxDBClient
from urllib3 import HTTPResponse
from urllib3.exceptions import ProtocolError

from pratique.config import StoreSettings
from pratique.errors import DataError, DeniedError, MissingError, UnavailableError
from pratique.store.influxdb.address import InfluxAddress
from pratique.store.influxdb.failures import of_late_error, translated
from pratique.store.influxdb.flux_tree import Value, assignment

CONNECT_S = 5.0
"""Time limit for a connection."""
PIECE = 1 << 20
"""Bytes that are read from an answer at once."""
BLOCK_END = b"\r\n\r\n"
"""The separator of two tables of an answer, whose columns differ."""
LONGEST_ERROR = 1 << 16
"""Bytes at the end of an answer in which an error is looked for."""
EARLIEST = datetime(1677, 9, 21, 0, 12, 44, tzinfo=UTC)
LATEST = datetime(2262, 4, 11, 23, 47, 16, tzinfo=UTC)
"""The times that InfluxDB can hold."""


@dataclass(frozen=True)
class Bucket:
    """A bucket. retention_s: age from which its points are dropped; 0 keeps all."""

    id: str
    name: str
    organisation_id: str
    retention_s: int


@dataclass(frozen=True)
class Authorization:
    """A token and its permissions, such as "read buckets/ID". token: the secret; "" where the server hides it."""

    id: str
    description: str
    active: bool
    permissions: tuple[str, ...]
    token: str = ""

    def __repr__(self) -> str:
        return f"Authorization({self.id!r}, {self.description!r})"


class InfluxClient:
    """A client of one server and organisation. Threads may share it; it connects at its first request."""

    def __init__(
        self,
        server: str,
        organisation: str = "",
        token: str = "",
        *,
        ca_file: str = "",
        timeout_s: float = 30.0,
        name: str = "",
    ) -> None:
        """server: such as http://127.0.0.1:8086. ca_file: certificates to trust in place of the system's.

        timeout_s: longest silence of the server. name: how messages call the store; by default the server.
        """
        self.server, self.organisation, self.name = server, organisation, name or server
        self._options = {
            "url": server,
            "token": token,
            "org": organisation,
            "timeout": (int(min(CONNECT_S, timeout_s) * 1000), int(timeout_s * 1000)),
            "ssl_ca_cert": ca_file or None,
            "verify_ssl": True,
        }
        self._ca_file = ca_file
        self._opening = threading.Lock()
        self._opened: InfluxDBClient | None = None

    @classmethod
    def of(cls, address: InfluxAddress, token: str, settings: StoreSettings) -> InfluxClient:
        """Return a client of a store's server, with a token and the store's settings for TLS and time limits."""
        return cls(
            address.server,
            address.organisation,
            token,
            ca_file=settings.ca_file,
            timeout_s=settings.timeout_s,
            name=address.url,
        )

    def __repr__(self) -> str:
        return f"InfluxClient({self.server!r}, {self.organisation!r})"

    def with_token(self, token: str) -> InfluxClient:
        """Return a client of the same server and organisation with another token."""
        other = InfluxClient(self.server, self.organisation, name=self.name)
        other._options = {**self._options, "token": token}
        return other

    def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            self._opened.close()

    def ping(self) -> str:
        """Return the server's version, without a token. Raises: UnavailableError; DataError for another program."""
        answer = self._request("GET", "/ping", doing="reached")
        version = str(answer.headers.get("X-Influxdb-Version", ""))
        if "Date" not in answer.headers:
            # every server tells the time, and InfluxDB after its version
            raise UnavailableError(f"store {self.name!r} cannot be reached: the connection broke: its answer was cut")
        if not version:
            raise DataError(f"store {self.name!r} is not an InfluxDB server: check the address")
        return version.removeprefix("v")

    def server_time(self) -> datetime | None:
        """Return the time by the server's clock, in whole seconds; None when it does not tell. Raises: UnavailableError."""
        told = self._request("GET", "/ping", doing="reached").headers.get("Date")
        try:
            return parsedate_to_datetime(told) if told else None
        except ValueError:
            return None

    def health(self) -> str:
        """Return the server's own report on its state, "pass" when it is ready. Raises: UnavailableError."""
        return str(self._json("GET", "/health", doing="reached").get("status", ""))

    def is_set_up(self) -> bool:
        """Whether the server has a first user already."""
        return not self._json("GET", "/api/v2/setup", doing="reached").get("allowed", False)

    def set_up(self, *, user: str, password: str, bucket: str, token: str, retention_s: int = 0) -> None:
        """Create the first user, the organisation and a bucket on a new server. token: its all-access token.

        Raises: DataError when the server was set up before.
        """
        content = {"username": user, "password": password, "org": self.organisation, "bucket": bucket, "token": token}
        self._json("POST", "/api/v2/setup", {**content, "retentionPeriodSeconds": retention_s}, doing="set up")

    def organisation_id(self) -> str | None:
        """Return the id of the organisation; None when it does not exist or the token may not see it."""
        found = self._named("/api/v2/orgs", {"org": self.organisation})
        return str(found[0]["id"]) if found else None

    def create_organisation(self) -> None:
        """Create the organisation. Raises: DeniedError; DataError when it exists."""
        self._json("POST", "/api/v2/orgs", {"name": self.organisation}, doing="set up")

    def bucket(self, name: str) -> Bucket | None:
        """Return a bucket by its name; None when it does not exist or the token may not see it."""
        query = {"org": self.organisation, "name": name}
        found = self._named("/api/v2/buckets", query)
        return _bucket(found[0]) if found else None

    def database_of(self, bucket: str) -> tuple[str, str] | None:
        """Return the database and the retention policy by which InfluxQL reaches a bucket; None without them.

        Raises: as `answer`; DataError, MissingError by a server without such names.
        """
        known = self.bucket(bucket)
        for database, policy in self._places({"bucketID": known.id}) if known else ():
            # a mapping that somebody made may give the same names to another bucket
            found = self._places({"db": database}).get((database, policy))
            if known and found == known.id:
                return database, policy
        return None

    def _places(self, query: Mapping[str, str]) -> dict[tuple[str, str], str]:
        """The bucket's id for each database and retention policy of InfluxQL."""
        found = self._json("GET", "/api/v2/dbrps", query={"org": self.organisation, **query}).get("content") or ()
        return {(str(place["database"]), str(place["retention_policy"])): str(place["bucketID"]) for place in found}

    def create_bucket(self, name: str, *, retention_s: int = 0) -> Bucket:
        """Create a bucket. Raises: DeniedError; MissingError without the organisation; DataError when it exists."""
        rules = [{"type": "expire", "everySeconds": retention_s}] if retention_s else []
        content = {"orgID": self.organisation_id(), "name": name, "retentionRules": rules}
        return _bucket(self._json("POST", "/api/v2/buckets", content, doing="set up"))

    def set_retention(self, bucket: Bucket, retention_s: int) -> Bucket:
        """Change the retention of a bucket; 0 keeps all."""
        rules = [{"type": "expire", "everySeconds": retention_s}]
        return _bucket(self._json("PATCH", f"/api/v2/buckets/{bucket.id}", {"retentionRules": rules}, doing="set up"))

    def delete_bucket(self, bucket: Bucket) -> None:
        """Delete a bucket with all its data."""
        self._request("DELETE", f"/api/v2/buckets/{bucket.id}", doing="deleted")

    def authorizations(self) -> list[Authorization]:
        """List the tokens of the organisation that this token may see."""
        found = self._json("GET", "/api/v2/authorizations", query={"org": self.organisation})["authorizations"]
        return [_authorization(values) for values in found]

    def create_authorization(self, description: str, bucket: Bucket, actions: Sequence[str]) -> Authorization:
        """Create a token for one bucket. actions: "read", "write" or both. Raises: DeniedError."""
        resource = {"type": "buckets", "id": bucket.id, "orgID": bucket.organisation_id}
        content = {
            "orgID": bucket.organisation_id,
            "description": description,
            "permissions": [{"action": action, "resource": resource} for action in actions],
        }
        return _authorization(self._json("POST", "/api/v2/authorizations", content, doing="set up"))

    def set_active(self, authorization: Authorization, active: bool) -> None:
        """Revoke a token, or give it back."""
        status = {"status": "active" if active else "inactive"}
        self._json("PATCH", f"/api/v2/authorizations/{authorization.id}", status, doing="set up")

    def delete_authorization(self, authorization: Authorization) -> None:
        """Delete a token."""
        self._request("DELETE", f"/api/v2/authorizations/{authorization.id}", doing="set up")

    def write(self, bucket: str, lines: bytes, *, precision: str = "ms") -> None:
        """Write points in line protocol; when this returns, the server has stored them durably.

        Raises: DeniedError, MissingError, UnavailableError, StorageError; DataError, where some of the lines may be stored.
        """
        query = {"org": self.organisation, "bucket": bucket, "precision": precision}
        packer = zlib.compressobj(1, wbits=31)
        body = packer.compress(lines) + packer.flush()
        headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "gzip"}
        self._request("POST", "/api/v2/write", body, query=query, headers=headers, doing="written")

    def delete(self, bucket: str, tags: Mapping[str, str], *, measurement: str) -> None:
        """Delete the points with these tags, which must hold neither a quote nor a backslash."""
        if any(character in value for value in tags.values() for character in '"\\\r\n'):
            raise DataError(f"store {self.name!r} cannot delete points by a tag with a quote or a backslash")
        equal = [f'{key}="{value}"' for key, value in {"_measurement": measurement, **tags}.items()]
        content = {"start": EARLIEST.isoformat(), "stop": LATEST.isoformat(), "predicate": " AND ".join(equal)}
        query = {"org": self.organisation, "bucket": bucket}
        self._request("POST", "/api/v2/delete", content, query=query, doing="written")

    @contextmanager
    def query(self, flux: str, values: Mapping[str, Value]) -> Iterator[Iterator[bytes]]:
        """Run a Flux query; give the pieces of its answer in CSV without annotations.

        values: names that the query uses; they are bound by the server, and never become a part of the text.
        Raises, while the pieces are read too: DeniedError, MissingError, UnavailableError, DataError.
        """
        content = {
            "query": flux,
            "type": "flux",
            "extern": {
                "type": "File",
                "package": None,
                "imports": [],
                "body": [assignment(name, value) for name, value in values.items()],
            },
            "dialect": {"header": True, "annotations": [], "delimiter": ","},
        }
        query, headers = {"org": self.organisation}, {"Accept": "text/csv"}
        try:
            with self.answer("/api/v2/query", content, query=query, headers=headers) as pieces:
                yield self._without_late_error(pieces)
        except MissingError:
            self._require_active_token()
            raise

    def _require_active_token(self) -> None:
        """Raises: DeniedError for a revoked token, to which the server shows no bucket."""
        try:
            self._request("GET", "/api/v2/me")
        except DeniedError as error:
            # another answer is about the right to read this page, which no token for a bucket has
            if "inactive" in str(error):
                raise

    @contextmanager
    def answer(
        self,
        path: str,
        content: Any,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[Iterator[bytes]]:
        """Send a request; give the pieces of its answer as they arrive. content: bytes as they are, anything else as JSON.

        Raises, while the pieces are read too: DeniedError, MissingError, UnavailableError, DataError.
        """
        answer = self._request("POST", path, content, query=query, headers=headers, stream=True)
        try:
            yield self._pieces(answer)
        finally:
            # an answer that was read to its end gives its connection back; another one cannot be used again
            answer.close()
            answer.release_conn()

    def _pieces(self, answer: HTTPResponse) -> Iterator[bytes]:
        with translated(self.name, "read"):
            while piece := answer.read(PIECE):
                yield piece

    def _without_late_error(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        end = b""
        for piece in pieces:
            end = (end + piece)[-LONGEST_ERROR:]
            yield piece
        told = late_error(end)
        if told is not None:
            raise of_late_error(self.name, told)

    def _json(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        doing: str = "read",
    ) -> dict[str, Any]:
        answer = self._request(method, path, content, query=query, doing=doing)
        try:
            found = json.loads(answer.data)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise DataError(f"store {self.name!r} is not an InfluxDB server: its answer is not JSON")
        return found

    def _named(self, path: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """The things of a kind with a name: InfluxDB answers 404 where it could answer with an empty list."""
        try:
            return list(self._json("GET", path, query=query).get(path.rpartition("/")[2], []))
        except MissingError:
            return []

    def _request(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        doing: str = "read",
        stream: bool = False,
    ) -> HTTPResponse:
        """Send a request; return the answer, read already unless `stream`."""
        with translated(self.name, doing):
            answer = self._send(method, path, content, dict(query or {}), dict(headers or {}))
            if not stream:
                # the client's own way to read an answer takes every body for UTF-8
                answer.read(cache_content=True)
                answer.release_conn()
            return answer

    def _send(
        self, method: str, path: str, content: Any, query: dict[str, str], headers: dict[str, str]
    ) -> HTTPResponse:
        api = self._client().api_client
        for attempt in (1, 2):
            try:
                answer: HTTPResponse = api.call_api(
                    path,
                    method,
                    query_params=list(query.items()),
                    header_params=dict(headers),
                    body=content,
                    _preload_content=False,
                    _return_http_data_only=True,
                    urlopen_kw={"redirect": False},
                )
                _require_length(answer)
            except ProtocolError:
                # a connection that the server closed while it was idle; every request may be sent twice
                if attempt == 2:
                    raise
                continue
            return answer
        raise AssertionError

    def _require_ca_file(self) -> None:
        if self._ca_file and not os.access(self._ca_file, os.R_OK):
            raise DeniedError(
                f"the file {self._ca_file!r} of store.ca_file cannot be read: check its path and permissions"
            )

    def _client(self) -> InfluxDBClient:
        with self._opening:
            if self._opened is None:
                self._require_ca_file()
                self._opened = InfluxDBClient(**self._options)
            return self._opened


def _require_length(answer: HTTPResponse) -> None:
    """Refuse an answer of unknown length: one that was cut among its headers looks like an empty answer."""
    if not answer.chunked and answer.length_remaining is None:
        raise ProtocolError("the answer has no length")


def late_error(end: bytes) -> str | None:
    """Return the message of an error that is the last block of an answer in CSV; None when there is none.

    end: the last bytes of the answer, at least LONGEST_ERROR.
    """
    end = end.strip(b"\r\n")
    block = end[end.rfind(BLOCK_END) + len(BLOCK_END) :] if BLOCK_END in end else end
    header, _, message = block.partition(b"\r\n")
    # an odd number of quotes: the block began within a quoted text of a row, which anybody may have written
    if header.strip(b",") != b"error,reference" or block.count(b'"') % 2:
        return None
    return message.decode(errors="replace").removeprefix(",").rpartition(",")[0] or "no reason given"


def _bucket(values: Mapping[str, Any]) -> Bucket:
    kept = [
        int(rule.get("everySeconds", 0)) for rule in values.get("retentionRules") or [] if rule.get("type") == "expire"
    ]
    return Bucket(str(values["id"]), str(values["name"]), str(values.get("orgID", "")), max(kept, default=0))


def _authorization(values: Mapping[str, Any]) -> Authorization:
    permissions = []
    for permission in values.get("permissions") or []:
        resource = permission["resource"]
        names = [resource["type"], resource.get("id") or resource.get("name") or "all"]
        permissions.append(f"{permission['action']} {'/'.join(names)}")
    return Authorization(
        str(values["id"]),
        str(values.get("description") or ""),
        values.get("status", "active") == "active",
        tuple(permissions),
        str(values.get("token") or ""),
    )
