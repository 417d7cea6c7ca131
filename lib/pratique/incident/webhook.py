"""The receiver of changes in the collector's process: POST /changes, behind a token, in separate threads.

Everything that a sender can use up is bounded: the time and bytes of a connection, the connections at a time, and the messages a second. The
collector's loop is not involved; a receiver that is flooded answers 429 and loses nothing that it has answered with 202.
"""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from contextlib import suppress
from datetime import datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from typing_extensions import override

from pratique.clock import utc_now
from pratique.config import Config
from pratique.errors import PratiqueError, UnavailableError
from pratique.incident.kept_changes import KeptChanges
from pratique.incident.webhook_messages import changes_of
from pratique.incident.webhook_token import is_signed, knows_token, read_token
from pratique.number_text import plural
from pratique.printable_text import printable

PATH = "/changes"
LONGEST_BODY = 1 << 20
LONGEST_HEAD = 1 << 15
MOST_CONNECTIONS = 16
"""Connections that are worked on at a time; further ones are answered with 429."""
ACCEPT_S = 0.01
"""Pause before each connection: a flood waits in the kernel, and takes little of the time of the collector."""
CONNECTION_S = 10.0
"""How long a connection may take from its beginning to its end."""
RATE, BURST = 10.0, 100.0
"""Messages that are taken a second, and at once after a pause."""
AGAIN = timedelta(minutes=10)
"""How long a message without a time counts as the same one when it comes again."""
ONCE = ("Content-Length", "Transfer-Encoding", "Authorization", "X-Gitlab-Token", "X-Hub-Signature-256")
"""Headers that decide: of two, a proxy in front might have read the other one."""
STOP_S = 2.0
SHOWN = 200


class ChangeReceiver:
    """Receives changes as the service file says. Nothing listens before `follow`."""

    def __init__(self) -> None:
        self._server: _Server | None = None

    def follow(self, config: Config) -> None:
        """Receive by these settings from now on. An address that stays the same stays open.

        Raises: UnavailableError when the address is in use, MissingError, UsageError for the token; then nothing changes.
        """
        settings = config.telemetry
        if not settings.listen_http:
            self.close()
            return
        token = read_token(settings.webhook_token, Path(config.base))
        kept = KeptChanges(config.state_dir)
        if self._server is not None and self._server.address == settings.listen_http:
            self._server.token, self._server.kept = token, kept
            return
        server = _Server(settings.listen_http, token, kept)
        self.close()
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.2,), name="changes", daemon=True).start()

    def describe(self) -> str:
        """Return one sentence on the received changes; "" when nothing listens."""
        server = self._server
        if server is None:
            return ""
        refused = f", {server.refused:,} messages refused" if server.refused else ""
        error = f", the last one could not be kept: {server.error}" if server.error else ""
        return f"{plural(server.taken, 'change')} received at http://{server.address}{PATH}{refused}{error}"

    def close(self) -> None:
        """Stop listening; a message that is being kept is completed."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.wait(STOP_S)
            self._server = None


class _Server(HTTPServer):
    """The listening socket. taken: new changes. refused: messages without an effect. error: why the last one was not kept."""

    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: str, token: bytes, kept: KeptChanges) -> None:
        self.address, self.token, self.kept = address, token, kept
        self.taken = self.refused = 0
        self.error = ""
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._counting = threading.Lock()
        self._credit, self._credited = BURST, time.monotonic()
        self._came: dict[bytes, datetime] = {}
        host, _, port = address.rpartition(":")
        try:
            family, _, _, _, where = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
            self.address_family = family
            super().__init__(where[:2], _Handler)  # type: ignore[arg-type]
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no such port"
            raise UnavailableError(
                f"cannot listen on telemetry.listen_http {address}: {reason}: choose another address"
            ) from error

    @override
    def server_bind(self) -> None:
        # without the look-up of the host's name, which can take seconds
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        time.sleep(ACCEPT_S)
        if not self._free.acquire(blocking=False):
            self.count(refused=1)
            with suppress(OSError):
                request.settimeout(0.1)
                request.sendall(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.shutdown_request(request)
            return
        threading.Thread(target=self._work, args=(request, client_address), name="change", daemon=True).start()

    def _work(self, request: socket.socket, client: Any) -> None:
        # a sender may not keep a connection by sending a byte now and then
        end = threading.Timer(CONNECTION_S, _end, (request,))
        end.daemon = True
        end.start()
        try:
            with suppress(OSError, ValueError):
                self.finish_request(request, client)
        finally:
            end.cancel()
            self.shutdown_request(request)
            self._free.release()

    def is_too_fast(self) -> bool:
        """Whether a message is one too many at this moment."""
        with self._counting:
            now = time.monotonic()
            self._credit = min(BURST, self._credit + (now - self._credited) * RATE)
            self._credited = now
            if self._credit < 1:
                return True
            self._credit -= 1
            return False

    def first_came(self, body: bytes, query: str) -> datetime:
        """Return when this message came first: a sender that has got no answer sends it again."""
        digest, now = hashlib.sha256(b"\0".join((query.encode("utf-8", "replace"), body))).digest(), utc_now()
        with self._counting:
            self._came = {one: at for one, at in self._came.items() if now - at < AGAIN}
            return self._came.setdefault(digest, now)

    def count(self, *, taken: int = 0, refused: int = 0) -> None:
        """Count changes that are new, and messages that were refused."""
        with self._counting:
            self.taken, self.refused = self.taken + taken, self.refused + refused

    def wait(self, seconds: float) -> None:
        """Wait for the connections that are worked on."""
        deadline = time.monotonic() + seconds
        for _ in range(MOST_CONNECTIONS):
            if not self._free.acquire(timeout=max(deadline - time.monotonic(), 0.0)):
                return


class _Handler(BaseHTTPRequestHandler):
    """One message, and one line as its answer."""

    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = CONNECTION_S
    server_version = "pratique"
    sys_version = ""

    @override
    def setup(self) -> None:
        super().setup()
        self.rfile: Any = _Bounded(self.rfile, LONGEST_HEAD)

    def do_POST(self) -> None:
        """Take a message."""
        path, _, query = self.path.partition("?")
        if path != PATH:
            self._answer(HTTPStatus.NOT_FOUND, f"there is only {PATH}")
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        twice = next((name for name in ONCE if len(self.headers.get_all(name, [])) > 1), None)
        if twice:
            self._answer(HTTPStatus.BAD_REQUEST, f"the header {twice} is there more than once")
            return
        # without a signature nothing of the body is needed to refuse it
        if not is_signed(headers) and not knows_token(self.server.token, headers, b""):
            self._answer(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong")
            return
        body = self._body(headers)
        if body is None:
            return
        if not knows_token(self.server.token, headers, body):
            self._answer(HTTPStatus.UNAUTHORIZED, "the signature of the body is wrong")
            return
        # who does not know the token cannot use it up
        if self.server.is_too_fast():
            self._answer(HTTPStatus.TOO_MANY_REQUESTS, "too many messages: send it again later")
            return
        self._take(body, headers, query)

    def _body(self, headers: dict[str, str]) -> bytes | None:
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()) or "transfer-encoding" in headers:
            self._answer(HTTPStatus.BAD_REQUEST, "send the body whole, with Content-Length")
            return None
        if len(length) > 10 or int(length) > LONGEST_BODY:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {LONGEST_BODY} bytes")
            return None
        self.rfile.left = int(length)
        body: bytes = self.rfile.read(int(length))
        if len(body) < int(length):
            self._answer(HTTPStatus.BAD_REQUEST, "the body is shorter than Content-Length")
            return None
        return body

    def _take(self, body: bytes, headers: dict[str, str], query: str) -> None:
        try:
            changes = changes_of(body, headers, query, now=self.server.first_came(body, query))
        except ValueError as error:
            self._answer(HTTPStatus.BAD_REQUEST, str(error))
            return
        try:
            new = self.server.kept.add(changes) if changes else 0
        except PratiqueError as error:
            self.server.error = f"{error} at {utc_now():%H:%M:%S}"
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "the change cannot be kept: send it again later")
            return
        self.server.error = ""
        self.server.count(taken=new)
        known = f", {len(changes) - new} known already" if len(changes) > new else ""
        self._answer(HTTPStatus.ACCEPTED, f"{new} kept{known}" if changes else "nothing to keep in this message")

    def _answer(self, status: HTTPStatus, text: str) -> None:
        if status != HTTPStatus.ACCEPTED:
            self.server.count(refused=1)
        content = f"{printable(text, SHOWN)}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True

    @override
    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a broken request in the same form. A method that is not known is not one of /changes either."""
        known = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        self._answer(known, f"send POST {PATH}" if known == HTTPStatus.METHOD_NOT_ALLOWED else known.phrase)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: senders are counted."""


class _Bounded:
    """A stream of which only so many bytes are read."""

    def __init__(self, stream: BinaryIO, left: int) -> None:
        self._stream = stream
        self.left = left

    def readline(self, most: int = -1) -> bytes:
        """Read a line. Raises: ValueError when there was too much."""
        if self.left <= 0:
            raise ValueError("the head of the request is too long")
        line = self._stream.readline(self.left if most < 0 else min(most, self.left))
        self.left -= len(line)
        return line

    def read(self, size: int) -> bytes:
        """Read bytes."""
        found = self._stream.read(min(size, self.left))
        self.left -= len(found)
        return found

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._stream.closed


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
