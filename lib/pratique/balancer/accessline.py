"""One access line a request, as the embedded balancer sends it: RFC 5424 syslog over UDP with a JSON body."""

from __future__ import annotations

import json
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

MAX_PATH = 2048
"""A longer path is cut, so that a datagram stays below 8 kB whatever a client sends."""

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
        "p": access.path[:MAX_PATH],
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


class AccessSender:
    """Send access lines without ever making a request wait; count those that could not be sent."""

    def __init__(self, address: str, host: str) -> None:
        """address: "host:port" of the collector; host: what the lines say of where they come from."""
        name, _, port = address.rpartition(":")
        kind, _, _, _, target = socket.getaddrinfo(name.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
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
