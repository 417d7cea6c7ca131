"""One access line a request, as the embedded balancer sends it: RFC 5424 syslog over UDP with a JSON body."""

from __future__ import annotations

import json
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from pratique.balancer.shares import split_address
from pratique.errors import UnavailableError

MAX_PATH = 2048
"""A longer path is cut, so that a datagram stays below 8 kB whatever a client sends: JSON makes two bytes of a quote."""

MAX_ODD_PATH = 340
"""The same for a path with anything but printable ASCII, of which JSON makes up to twelve bytes each."""

_PRIORITY = 16 * 8 + 6  # facility local0, severity informational


@dataclass(frozen=True)
class Access:
    """One answered request: `time_ms` is the UTC epoch at its start; code 499 when the client went away first."""

    time_ms: int
    service: str
    revision: str
    method: str
    path: str
    code: int
    duration_ms: float
    instance: str


def encode(access: Access, *, host: str, boot: str, sequence: int) -> bytes:
    """The datagram of an access line. `boot` and `sequence` let a receiver count what was lost on the way."""
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
    cut = path[:MAX_PATH]
    if cut.isascii() and cut.isprintable():
        return cut
    # bytes that are no UTF-8 have come as lone surrogates, which nobody else can read
    return cut[:MAX_ODD_PATH].encode("utf-8", "replace").decode()


class AccessSender:
    """Send access lines without ever making a request wait; count those that could not be sent."""

    def __init__(self, address: str, host: str) -> None:
        """address: "host:port" of the collector; host: what the lines say of where they come from.

        Raises: UnavailableError when the address cannot be found.
        """
        try:
            kind, _, _, _, target = socket.getaddrinfo(*split_address(address), type=socket.SOCK_DGRAM)[0]
        except (OSError, UnicodeError) as error:
            raise UnavailableError(f"telemetry.listen {address!r} cannot be found: name a host that exists") from error
        self._socket = socket.socket(kind, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._target = target
        self._host = host
        self._boot = uuid.uuid4().hex[:12]
        self.sent = 0
        self.failed = 0

    def send(self, access: Access) -> None:
        """Send one line; a sequence number is used up even by a line that cannot be sent, so that its loss shows."""
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
