"""The access line that the embedded balancer sends for each request: RFC 5424 syslog over UDP with a JSON body."""

from __future__ import annotations

import json
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from pratique.balancer.shares import split_address
from pratique.errors import UnavailableError

MAX_PATH = 2048
"""Longer paths are cut: a datagram stays below 8 kB for any path, though JSON escapes a quote as two bytes."""

MAX_ODD_PATH = 340
"""The limit for a path with other characters than printable ASCII: JSON escapes them as up to twelve bytes."""

_PRIORITY = 16 * 8 + 6  # facility local0, severity informational


@dataclass(frozen=True)
class Access:
    """One request. time_ms: UTC epoch at its start. code: 499 when the client closed the connection before an answer that is no error was complete."""

    time_ms: int
    service: str
    revision: str
    method: str
    path: str
    code: int
    duration_ms: float
    instance: str


def encode(access: Access, *, host: str, boot: str, sequence: int) -> bytes:
    """Return the datagram of an access line. `boot` and `sequence` let a receiver count lost datagrams."""
    body = {
        "t": access.time_ms,
        "s": access.service,
        "r": access.revision,
        "m": access.method[:32],
        "p": _cut(access.path),
        "c": access.code,
        "d": round(access.duration_ms, 3),
        "h": host,
        "i": access.instance,
        "b": boot,
        "q": sequence,
    }
    time = datetime.fromtimestamp(access.time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    header = f"<{_PRIORITY}>1 {time} {host} pratique-balancer - access - "
    return (header + json.dumps(body, separators=(",", ":"))).encode()


def _cut(path: str) -> str:
    # a query may hold a token, and lines are kept; actions come from the path alone
    cut = path.partition("?")[0][:MAX_PATH]
    if cut.isascii() and cut.isprintable():
        return cut
    # bytes that are not UTF-8 arrive as lone surrogates, which other programs cannot decode
    return cut[:MAX_ODD_PATH].encode("utf-8", "replace").decode()


class AccessSender:
    """Send access lines without blocking a request, and count the lines that could not be sent."""

    def __init__(self, address: str, host: str) -> None:
        """address: "host:port" of the collector. host: the name of this host in the lines.

        Raises: UnavailableError when the address cannot be resolved.
        """
        try:
            kind, _, _, _, target = socket.getaddrinfo(*split_address(address), type=socket.SOCK_DGRAM)[0]
        except (OSError, UnicodeError) as error:
            raise UnavailableError(f"telemetry.listen {address!r} cannot be resolved: check the host name") from error
        self._socket = socket.socket(kind, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._target = target
        self._host = host
        self._boot = uuid.uuid4().hex[:12]
        self.sent = 0
        self.failed = 0

    def send(self, access: Access) -> None:
        """Send one line. A line that cannot be sent also uses a sequence number: the receiver sees the gap."""
        sequence = self.sent + self.failed
        try:
            self._socket.sendto(encode(access, host=self._host, boot=self._boot, sequence=sequence), self._target)
        except OSError:
            self.failed += 1
        else:
            self.sent += 1

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
