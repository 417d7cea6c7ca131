"""The path of one request through the embedded balancer: choose a server, forward, relay, send an access line."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp
from aiohttp import web
from yarl import URL

from pratique.balancer import headers
from pratique.balancer.accessline import Access, AccessSender
from pratique.balancer.connections import ClientWaits
from pratique.balancer.shares import choose
from pratique.balancer.state_file import StateFile

LOG = logging.getLogger("pratique.balancer")
NOBODY = "none"
"""The revision and server of a request that reached no server."""

# RFC 9110, section 9.2.2. Other methods, and requests with a body, use a new connection: a server may close a kept
# connection while a request is sent over it, and such a request must not be sent a second time
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
CONNECT_TIMEOUT_S = 2.0
SERVER_IDLE_TIMEOUT_S = 1.0
"""How long an idle connection to a server stays open: shorter than the timeouts of servers, which start at 2 s."""
HEADER_MAX_BYTES = 1 << 16
"""Longest request line or header field that is forwarded."""
CLIENT_SILENCE_S = 30.0
"""Longest silence of a client that sends its body, or does not read its answer."""
CLIENT_CLOSED = 499


class _ClientGoneError(Exception):
    """The client closed the connection before it had its whole answer."""


@dataclass
class Exchange:
    """A request in progress: its revision, its server, and its status so far."""

    request: web.BaseRequest
    waits: ClientWaits
    service: str
    revision: str = NOBODY
    servers: Sequence[str] = ()
    server: str = NOBODY
    code: int = CLIENT_CLOSED
    broken: bool = False
    began: float = field(default_factory=time.monotonic)
    began_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    def to_access(self) -> Access:
        """Return the access line of the request."""
        duration_ms = (time.monotonic() - self.began) * 1000.0
        method, path = self.request.method, self.request.raw_path
        return Access(self.began_ms, self.service, self.revision, method, path, self.code, duration_ms, self.server)

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body of the request as it arrives. Sends 100 Continue to a client that waits for it."""
        request = self.request
        try:
            if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
                request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            while chunk := await self._chunk():
                yield chunk
        except Exception:
            # otherwise the HTTP client would report this as a failure of the server
            self.broken = True
            raise

    async def _chunk(self) -> bytes:
        with self.waits.of(self.request):
            async with asyncio.timeout(CLIENT_SILENCE_S):
                return bytes(await self.request.content.readany())


class Proxy:
    """Forward each request to a server of the chosen revision, and send an access line."""

    def __init__(
        self, service: str, timeout_s: float, state_file: StateFile, sender: AccessSender, waits: ClientWaits
    ) -> None:
        """timeout_s: longest silence of a server. state_file: the active pool. sender: sends the access lines.

        waits: notified of each request that waits for its client.
        """
        self._waits = waits
        self._service = service
        self._state_file = state_file
        self._sender = sender
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=timeout_s)
        self._random = random.Random()  # noqa: S311 - a traffic split needs no secret randomness
        self.requests: Counter[str] = Counter()
        self.in_flight: Counter[str] = Counter()

    async def open(self) -> None:
        """Open the connections to the servers. Call it in a running event loop."""
        kept = aiohttp.TCPConnector(limit=0, keepalive_timeout=SERVER_IDLE_TIMEOUT_S)
        self._kept, self._single = self._session(kept), self._session(aiohttp.TCPConnector(limit=0, force_close=True))

    async def close(self) -> None:
        """Close the connections to the servers."""
        await self._kept.close()
        await self._single.close()

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=HEADER_MAX_BYTES,
            max_field_size=HEADER_MAX_BYTES,
        )
        # aiohttp would repeat an idempotent request when a kept connection breaks, but the server may have handled it
        session._retry_connection = False  # noqa: SLF001 - no public setting; a test counts requests at the server
        return session

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. It always sends one access line, even on an error."""
        exchange = Exchange(request, self._waits, self._service)
        try:
            return await self._answer(exchange)
        except _ClientGoneError as error:
            raise ConnectionResetError from error
        except Exception as error:
            LOG.error("request failed: %s: %s", type(error).__name__, _without_queries(error))  # noqa: TRY400 - a traceback may hold a query
            if request.writer.output_size:
                raise ConnectionResetError from error
            return _text(exchange, 502, "the request could not be forwarded")
        finally:
            self._sender.send(exchange.to_access())

    async def _answer(self, exchange: Exchange) -> web.StreamResponse:
        target = headers.origin_form(exchange.request.raw_path)
        if target is None or exchange.request.method == "CONNECT":
            return _text(exchange, 400, "a target must be a path or an http address")
        state = self._state_file.state
        chosen = choose(state.pool, self._random.random(), self._random.random()) if state else None
        if chosen is None:
            return _text(exchange, 503, "the pool has no revision")
        exchange.revision, exchange.servers = chosen
        self.requests[exchange.revision] += 1
        return await self._forward(exchange, target)

    async def _forward(self, exchange: Exchange, target: str) -> web.StreamResponse:
        for server in exchange.servers:
            exchange.server = server
            with self._counted(server):
                try:
                    answer = await self._request(exchange, target)
                except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                    # nothing was sent, so another server of the same revision can handle the request
                    continue
                except TimeoutError:
                    if exchange.broken:
                        return _text(exchange, 408, "the request body did not arrive in time")
                    return _text(exchange, 504, f"{exchange.revision} did not answer in time")
                except aiohttp.ClientError:
                    if exchange.broken:
                        return _text(exchange, 400, "the request body was incomplete")
                    return _text(
                        exchange, 502, f"{exchange.revision} closed the connection before its answer was complete"
                    )
                async with answer:
                    return await _relay(exchange, answer)
        return _text(exchange, 503, f"no server of {exchange.revision} is reachable")

    @contextlib.contextmanager
    def _counted(self, server: str) -> Iterator[None]:
        self.in_flight[server] += 1
        try:
            yield
        finally:
            self.in_flight[server] -= 1
            if not self.in_flight[server]:
                del self.in_flight[server]

    async def _request(self, exchange: Exchange, target: str) -> aiohttp.ClientResponse:
        request = exchange.request
        has_body = request.can_read_body
        session = self._kept if request.method in IDEMPOTENT and not has_body else self._single
        return await session.request(
            request.method,
            URL(f"http://{exchange.server}{target}", encoded=True),
            headers=headers.onward(request.headers, client=request.remote or "unknown", scheme=request.scheme),
            data=exchange.body() if has_body else None,
            allow_redirects=False,
        )


def _without_queries(error: Exception) -> str:
    """The text of an error, for the log, without the queries of the addresses in it: they may hold tokens."""
    return re.sub(r"\?\S*", "?…", str(error))[:300]


class _Answer(web.StreamResponse):
    """An answer as the server sent it: aiohttp adds no content type."""

    async def _prepare_headers(self) -> None:
        given = "Content-Type" in self.headers
        await super()._prepare_headers()
        if not given:
            self.headers.popall("Content-Type", None)


async def _relay(exchange: Exchange, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    if answer.status >= HTTPStatus.BAD_REQUEST:
        # a client that closes when it sees an error must not hide the error
        exchange.code = answer.status
    back = headers.back(answer.headers, exchange.revision)
    response = _Answer(status=answer.status, reason=answer.reason, headers=back)
    try:
        await response.prepare(exchange.request)
        async for chunk in _body_of(exchange, answer):
            with exchange.waits.of(exchange.request):
                async with asyncio.timeout(CLIENT_SILENCE_S):
                    await response.write(chunk)
        if not exchange.broken:
            await response.write_eof()
            exchange.code = answer.status
    except (ConnectionError, TimeoutError) as error:
        if exchange.request.transport is not None:
            exchange.request.transport.abort()
        raise _ClientGoneError from error
    return response


async def _body_of(exchange: Exchange, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the body of the answer. If it is cut short, close the client's connection: its status is already sent."""
    while True:
        try:
            chunk = await answer.content.readany()
        except (aiohttp.ClientError, TimeoutError) as error:
            exchange.broken, exchange.code = True, 504 if isinstance(error, TimeoutError) else 502
            if exchange.request.transport is not None:
                exchange.request.transport.abort()
            return
        if not chunk:
            return
        yield chunk


def _text(exchange: Exchange, status: int, text: str) -> web.Response:
    exchange.code = status
    response = web.Response(status=status, text=f"{text}\n", headers={"Server": "pratique"})
    if status in {400, 408}:
        response.force_close()
    if status == 503:
        response.headers["Retry-After"] = "1"
    if exchange.revision != NOBODY:
        response.headers[headers.REVISION] = exchange.revision
    return response
