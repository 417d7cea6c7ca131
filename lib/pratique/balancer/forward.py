"""One request through the embedded balancer: choose, ask, relay, and tell the collector, however it ends."""

from __future__ import annotations

import contextlib
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL

from pratique.balancer import headers
from pratique.balancer.accessline import Access, AccessSender
from pratique.balancer.shares import choose
from pratique.balancer.state_file import Keeper

NOBODY = "none"
"""The revision and server of a request that went to none."""

# RFC 9110, section 9.2.2. Others, and all that carry a body, get a connection of their own: a server may close
# a kept one at the very moment that a request is sent over it, and such a request must not be sent again
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
CONNECT_S = 2.0
KEPT_S = 1.0
"""How long an idle connection to a server is kept: shorter than any server's own patience, from 2 s on."""
MAX_HEAD = 1 << 16
"""Bytes of a request line or header field that are passed on."""
CLIENT_CLOSED = 499


class _ClientGoneError(Exception):
    """The client went away before it had its answer."""


@dataclass
class Exchange:
    """A request on its way: who serves it, and how it has ended so far."""

    request: web.BaseRequest
    service: str
    revision: str = NOBODY
    servers: Sequence[str] = ()
    server: str = NOBODY
    code: int = CLIENT_CLOSED
    broken: bool = False
    began: float = field(default_factory=time.monotonic)
    began_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    def to_access(self) -> Access:
        """What the collector is told."""
        duration_ms = (time.monotonic() - self.began) * 1000.0
        method, path = self.request.method, self.request.raw_path
        return Access(self.began_ms, self.service, self.revision, method, path, self.code, duration_ms, self.server)

    async def body(self) -> AsyncIterator[bytes]:
        """The request's body as it comes in; a client that waits to be asked for it is asked."""
        request = self.request
        try:
            if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
                request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            async for chunk in request.content.iter_any():
                yield chunk
        except Exception:
            # the client of the server would take this for a failure of the server
            self.broken = True
            raise


class Proxy:
    """Answer each request from a server of the revision that it is given to, and tell the collector."""

    def __init__(self, service: str, timeout_s: float, keeper: Keeper, sender: AccessSender) -> None:
        """timeout_s: how long a server may be silent. keeper: the pool in force; sender: where access lines go."""
        self._service = service
        self._keeper = keeper
        self._sender = sender
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=timeout_s)
        self._random = random.Random()  # noqa: S311 - a split of traffic is no secret
        self.requests: Counter[str] = Counter()
        self.in_flight: Counter[str] = Counter()

    async def open(self) -> None:
        """Open the side towards the servers; within a running event loop."""
        kept = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_S)
        self._kept, self._single = self._session(kept), self._session(aiohttp.TCPConnector(limit=0, force_close=True))

    async def close(self) -> None:
        """Close the side towards the servers."""
        await self._kept.close()
        await self._single.close()

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
        )
        # aiohttp would send an idempotent request again when a kept connection breaks; it may have been served
        session._retry_connection = False  # noqa: SLF001 - there is no public way; a test counts at the server
        return session

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; whatever happens, one access line is sent."""
        exchange = Exchange(request, self._service)
        try:
            return await self._answer(exchange)
        except _ClientGoneError as error:
            raise ConnectionResetError from error
        except Exception as error:
            print(f"request failed: {type(error).__name__}: {error!s:.300}", file=sys.stderr, flush=True)  # noqa: T201
            if request.writer.output_size:
                raise ConnectionResetError from error
            return _plain(exchange, 502, "the request could not be passed on")
        finally:
            self._sender.send(exchange.to_access())

    async def _answer(self, exchange: Exchange) -> web.StreamResponse:
        target = headers.origin_form(exchange.request.raw_path)
        if target is None or exchange.request.method == "CONNECT":
            return _plain(exchange, 400, "a target must be a path or an http address")
        state = self._keeper.state
        chosen = choose(state.pool, self._random.random(), self._random.random()) if state else None
        if chosen is None:
            return _plain(exchange, 503, "no revision in the pool")
        exchange.revision, exchange.servers = chosen
        self.requests[exchange.revision] += 1
        return await self._forward(exchange, target)

    async def _forward(self, exchange: Exchange, target: str) -> web.StreamResponse:
        for server in exchange.servers:
            exchange.server = server
            with self._flying(server):
                try:
                    answer = await self._ask(exchange, target)
                except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                    # nothing was sent yet, so another server of the same revision may be asked
                    continue
                except TimeoutError:
                    return _plain(exchange, 504, f"{exchange.revision} did not answer in time")
                except aiohttp.ClientError:
                    if exchange.broken:
                        return _plain(exchange, 400, "the request's body broke off")
                    return _plain(exchange, 502, f"{exchange.revision} broke off its answer")
                async with answer:
                    return await _relay(exchange, answer)
        return _plain(exchange, 503, f"no server of {exchange.revision} can be reached")

    @contextlib.contextmanager
    def _flying(self, server: str) -> Iterator[None]:
        self.in_flight[server] += 1
        try:
            yield
        finally:
            self.in_flight[server] -= 1
            if not self.in_flight[server]:
                del self.in_flight[server]

    async def _ask(self, exchange: Exchange, target: str) -> aiohttp.ClientResponse:
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


class _Answer(web.StreamResponse):
    """An answer as the server gave it: where that names no content type, none is made up."""

    async def _prepare_headers(self) -> None:
        given = "Content-Type" in self.headers
        await super()._prepare_headers()
        if not given:
            self.headers.popall("Content-Type", None)


async def _relay(exchange: Exchange, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    back = headers.back(answer.headers, exchange.revision)
    response = _Answer(status=answer.status, reason=answer.reason, headers=back)
    try:
        await response.prepare(exchange.request)
        async for chunk in _body_of(exchange, answer):
            await response.write(chunk)
        if not exchange.broken:
            await response.write_eof()
            exchange.code = answer.status
    except ConnectionError as error:
        raise _ClientGoneError from error
    return response


async def _body_of(exchange: Exchange, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The answer's body. Where it breaks off the client's connection is cut: that is all that can be told by now."""
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


def _plain(exchange: Exchange, status: int, text: str) -> web.Response:
    exchange.code = status
    response = web.Response(status=status, text=f"{text}\n", headers={"Server": "pratique"})
    if status == 400:
        response.force_close()
    if status == 503:
        response.headers["Retry-After"] = "1"
    if exchange.revision != NOBODY:
        response.headers[headers.REVISION] = exchange.revision
    return response
