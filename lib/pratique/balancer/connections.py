"""The users' connections of the embedded balancer, within bounds: what strangers hold open must not end the service.

Each connection takes a descriptor, and each request one more to a server. Their number stays below the process's limit, so
that control, state file and log always have theirs. For one more connection, the oldest that waits for a request is closed:
first one that never completed a request. When all are in a request, the one is closed whose client has kept the balancer
waiting for longest, for more of a body or to read its answer. A connection that has no request within HEAD_TIMEOUT_S is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from pratique.balancer.shares import split_address
from pratique.errors import UnavailableError

HEAD_TIMEOUT_S = 10.0
"""How long the first request of a connection may take to arrive, as in the template for HAProxy."""
FILES_KEPT = 128
"""Descriptors that are not for users: control, checks of new servers, state file, log, libraries."""
MOST_CONNECTIONS = 4096
"""Most connections of users, whatever the limit of descriptors: each takes some memory."""
MOST_FILES = FILES_KEPT + 2 * MOST_CONNECTIONS
SLOW_S = 2.0
"""How long a client keeps the balancer waiting before its request may be given up for another connection."""
RETRY_S = 0.1
"""Pause after a connection that could not be accepted."""
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def raise_file_limit() -> int:
    """Raise the soft limit of open files as far as it is of use, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return MOST_FILES if soft == resource.RLIM_INFINITY else soft


class ClientWaits:
    """The requests that only their client keeps from going on."""

    def __init__(self) -> None:
        self._waiting: set[RequestHandler] = set()

    @contextlib.contextmanager
    def of(self, request: web.BaseRequest) -> Iterator[None]:
        """Within the context, a request waits for its client: for more of its body, or to read the answer."""
        self._waiting.add(request.protocol)
        try:
            yield
        finally:
            self._waiting.discard(request.protocol)

    def has(self, protocol: RequestHandler) -> bool:
        """Whether the request of a connection waits for its client."""
        return protocol in self._waiting


class UserConnections:
    """Accept the connections of users, and pass their requests to a handler."""

    def __init__(self, handle: Handler, waits: ClientWaits, *, most: int) -> None:
        """waits: those of the requests that `handle` works on. most: connections that may be open at a time."""
        self._handle = handle
        self._waits = waits
        self._most = most
        self._busy: set[RequestHandler] = set()
        self._served: set[RequestHandler] = set()
        self._began: dict[RequestHandler, float] = {}
        self._accepting: list[asyncio.Task[None]] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle a request whose head is complete."""
        with self._in_request(request.protocol):
            return await self._handle(request)

    @contextlib.contextmanager
    def _in_request(self, protocol: RequestHandler) -> Iterator[None]:
        self._busy.add(protocol)
        self._began[protocol] = time.monotonic()
        try:
            yield
        finally:
            self._busy.discard(protocol)
            del self._began[protocol]
            self._served.add(protocol)

    def start(self, server: web.Server, address: str) -> None:
        """Listen, and accept connections for a server that calls `handle`. Raises: UnavailableError."""
        self._accepting = [asyncio.create_task(self._accept(server, listener)) for listener in _listening(address)]

    async def stop(self) -> None:
        """Accept no more connections; those that are open stay."""
        for task in self._accepting:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _accept(self, server: web.Server, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                try:
                    connection, _ = await loop.sock_accept(listener)
                except OSError:
                    # no descriptor is free, or the client is gone already
                    self._make_room(server)
                    await asyncio.sleep(RETRY_S)
                    continue
                if len(server.connections) >= self._most and not self._make_room(server):
                    connection.close()
                    continue
                connection.setblocking(False)
                with contextlib.suppress(OSError):
                    _, protocol = await loop.connect_accepted_socket(server, connection)
                    loop.call_later(HEAD_TIMEOUT_S, self._end_silent, protocol)

    def _make_room(self, server: web.Server) -> bool:
        """Close the oldest connection that waits for a request, or whose request waits for its client for long.

        Return False when there is none.
        """
        opened = server.connections
        self._served.intersection_update(opened)
        waiting = [found for found in opened if found not in self._busy and _is_open(found)]
        chosen = next((found for found in waiting if found not in self._served), None) or next(iter(waiting), None)
        if chosen is None:
            late = time.monotonic() - SLOW_S
            slow = [found for found, began in self._began.items() if self._waits.has(found) and began < late]
            chosen = next(filter(_is_open, slow), None)
        if chosen is not None:
            _abort(chosen)
        return chosen is not None

    def _end_silent(self, protocol: RequestHandler) -> None:
        if protocol not in self._busy and protocol not in self._served:
            _abort(protocol)


def _is_open(protocol: RequestHandler) -> bool:
    return protocol.transport is not None and not protocol.transport.is_closing()


def _abort(protocol: RequestHandler) -> None:
    if protocol.transport is not None:
        protocol.transport.abort()


def _listening(address: str) -> list[socket.socket]:
    """Listen on each address of a host; localhost has one of IPv4 and one of IPv6."""
    listeners: list[socket.socket] = []
    try:
        host, port = split_address(address)
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, target in dict.fromkeys((family, target[:2]) for family, _, _, _, target in found):
            listeners.append(socket.create_server(target, family=family, backlog=1024))
    except (OSError, OverflowError) as error:
        for listener in listeners:
            listener.close()
        reason = error.strerror if isinstance(error, OSError) else "no such port"
        raise UnavailableError(
            f"balancer cannot listen on {address}: {reason}: check whether another balancer is running"
        ) from error
    for listener in listeners:
        listener.setblocking(False)
    return listeners
