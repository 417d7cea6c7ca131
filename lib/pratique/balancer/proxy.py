"""`pratique balancer SERVICE`: a reverse proxy that splits by weight, with its control interface."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import socket
import sys
import time
from collections import Counter

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from pratique.balancer.accessline import Access, AccessSender
from pratique.balancer.control import control_app
from pratique.balancer.keeper import Keeper
from pratique.balancer.shares import choose
from pratique.config import BalancerSettings, Config
from pratique.errors import UnavailableError

# RFC 9110, section 7.6.1: what concerns one connection only is not forwarded
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"}
    | {"te", "trailer", "transfer-encoding", "upgrade", "expect"}
)
# RFC 9110, section 9.2.2: these may go over a kept connection, which the server may have closed just then
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
CONNECT_S = 2.0
LAPSE_CHECK_S = 0.1
CLIENT_CLOSED = 499


class Proxy:
    """Answer each request from a server of the revision that it is given to, and tell the collector."""

    def __init__(self, service: str, settings: BalancerSettings, keeper: Keeper, sender: AccessSender) -> None:
        """keeper: the pool in force; sender: where access lines go."""
        self._service = service
        self._keeper = keeper
        self._sender = sender
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=settings.timeout_s)
        self._random = random.Random()  # noqa: S311 - a split of traffic is no secret
        self.requests: Counter[str] = Counter()
        self.in_flight: Counter[str] = Counter()

    async def open(self) -> None:
        """Open the client side; within a running event loop."""
        self._kept = self._session(force_close=False)
        self._fresh = self._session(force_close=True)

    async def close(self) -> None:
        """Close the client side."""
        await self._kept.close()
        await self._fresh.close()

    def _session(self, *, force_close: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0, force_close=force_close)
        return aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; whatever happens, one access line is sent."""
        began, began_ms = time.monotonic(), time.time_ns() // 1_000_000
        chosen = (
            choose(self._keeper.state.pool, self._random.random(), self._random.random())
            if self._keeper.state
            else None
        )
        revision, server = chosen or ("none", "none")
        self.requests[revision] += 1
        self.in_flight[server] += 1
        code = CLIENT_CLOSED
        try:
            response = await self._forward(request, revision, server) if chosen else _plain(503, "no server in the pool")
        except _BrokenAnswerError:
            # the answer had begun and its length is wrong now: the connection is cut, so that the client can tell
            code = 502
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError from None
        else:
            code = response.status
            return response
        finally:
            self.in_flight[server] -= 1
            duration_ms = (time.monotonic() - began) * 1000.0
            path = request.raw_path
            self._sender.send(
                Access(began_ms, self._service, revision, request.method, path, code, duration_ms, server)
            )

    async def _forward(self, request: web.Request, revision: str, server: str) -> web.StreamResponse:
        state = self._keeper.state
        others = [s for s in (state.pool.servers.get(revision, ()) if state else ()) if s != server]
        for address in [server, *others]:
            try:
                return await self._send(request, address)
            except aiohttp.ClientConnectorError:
                # nothing was sent yet, so another server of the same revision may be asked
                continue
            except TimeoutError:
                return _plain(504, f"{revision} did not answer in time")
            except aiohttp.ClientError:
                return _plain(502, f"{revision} broke off its answer")
        return _plain(503, f"no server of {revision} can be reached")

    async def _send(self, request: web.Request, address: str) -> web.StreamResponse:
        session = self._kept if request.method in IDEMPOTENT and not request.can_read_body else self._fresh
        url = URL(f"http://{address}{_origin_form(request.raw_path)}", encoded=True)
        body = request.content if request.can_read_body else None
        headers = _onward(request)
        async with session.request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
            return await _relay(request, answer)


class _BrokenAnswerError(Exception):
    """The server broke off after its answer had begun."""


async def _relay(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=_end_to_end(answer.headers))
    await response.prepare(request)
    if request.method != "HEAD":
        try:
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _BrokenAnswerError from error
    await response.write_eof()
    return response


def _onward(request: web.Request) -> CIMultiDict[str]:
    headers = _end_to_end(request.headers)
    before = headers.get("X-Forwarded-For")
    client = request.remote or "unknown"
    headers["X-Forwarded-For"] = f"{before}, {client}" if before else client
    headers.setdefault("X-Forwarded-Proto", request.scheme)
    headers.setdefault("X-Forwarded-Host", request.headers.get("Host", ""))
    return headers


def _end_to_end(headers: CIMultiDict[str] | aiohttp.typedefs.LooseHeaders) -> CIMultiDict[str]:
    kept: CIMultiDict[str] = CIMultiDict(headers)
    named = {name.strip().lower() for name in kept.get("Connection", "").split(",")}
    for name in list(kept):
        if name.lower() in HOP_BY_HOP | named:
            kept.popall(name, None)
    return kept


def _origin_form(raw_path: str) -> str:
    # a request line in absolute form ("GET http://host/path") goes on in origin form
    if raw_path.startswith("/"):
        return raw_path
    url = URL(raw_path, encoded=True)
    return url.raw_path_qs or "/"


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers={"Retry-After": "1"} if status == 503 else None)


async def serve(config: Config, service: str, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; requests in flight are finished first.

    Raises: UnavailableError when an address is taken.
    """
    settings = config.service(service).balancer
    keeper = Keeper(config.state_dir / "balancer" / f"{service}.json")
    sender = AccessSender(config.telemetry.listen, socket.gethostname())
    proxy = Proxy(service, settings, keeper, sender)
    await proxy.open()
    front = web.Application(client_max_size=0)
    front.router.add_route("*", "/{path:.*}", proxy.handle)
    runners = [
        web.AppRunner(front, access_log=None, handler_cancellation=True, keepalive_timeout=75.0, auto_decompress=False),
        web.AppRunner(control_app(service, keeper, proxy.requests, proxy.in_flight, sender), access_log=None),
    ]
    try:
        for runner, address in zip(runners, (settings.listen, settings.control), strict=True):
            await _listen(runner, address)
        await _until(stop, keeper)
    finally:
        for runner in runners:
            await runner.cleanup()
        await proxy.close()
        sender.close()


async def _listen(runner: web.AppRunner, address: str) -> None:
    host, _, port = address.rpartition(":")
    await runner.setup()
    try:
        await web.TCPSite(runner, host.strip("[]"), int(port), backlog=1024, shutdown_timeout=10.0).start()
    except OSError as error:
        raise UnavailableError(
            f"balancer cannot listen at {address}: {error.strerror}: is another one running?"
        ) from error


async def _until(stop: asyncio.Event, keeper: Keeper) -> None:
    while not stop.is_set():
        for line in keeper.lapse():
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - the process's own log
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LAPSE_CHECK_S)


def run_balancer(config: Config, service: str) -> None:
    """Run the balancer of a service until SIGTERM or SIGINT."""

    async def main() -> None:
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        await serve(config, service, stop)

    asyncio.run(main())
