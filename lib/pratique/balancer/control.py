"""The control interface of the embedded balancer: JSON over HTTP, on a socket file (control_socket.py).

GET /health                    the service of this balancer
GET /pool      PUT /pool       servers and shares together
GET /weights   PUT /weights    shares, with or without a lease
               PUT /lease      renew the lease
GET /stats                     requests per revision, requests in flight per server, access lines
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from aiohttp import web

from pratique import __version__
from pratique.balancer.accessline import AccessSender
from pratique.balancer.base import Lease, Pool
from pratique.balancer.forward import Proxy
from pratique.balancer.shares import check_pool, split_address
from pratique.balancer.state_file import StateFile
from pratique.clock import elapsed_s
from pratique.errors import PratiqueError, UnavailableError, UsageError

CONNECT_TIMEOUT_S = 2.0
STATE_FILE = web.AppKey("state_file", StateFile)
SERVICE = web.AppKey("service", str)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def control_app(service: str, state_file: StateFile, proxy: Proxy, sender: AccessSender) -> web.Application:
    """Return the application that listens on the control socket."""

    async def stats(_: web.Request) -> web.Response:
        lines = {"sent": sender.sent, "failed": sender.failed}
        return web.json_response({"requests": proxy.requests, "in_flight": proxy.in_flight, "access_lines": lines})

    app = web.Application(middlewares=[_errors])
    app[STATE_FILE], app[SERVICE] = state_file, service
    app.router.add_get("/health", _get_health)
    app.router.add_get("/stats", stats)
    app.router.add_get("/pool", _get_pool)
    app.router.add_put("/pool", _put_pool)
    app.router.add_get("/weights", _get_weights)
    app.router.add_put("/weights", _put_weights)
    app.router.add_put("/lease", _put_lease)
    return app


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except PratiqueError as error:
        return web.json_response({"error": type(error).__name__, "message": str(error)}, status=409)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        message = f"invalid body for {request.method} {request.path}: {type(error).__name__} {error}"
        return web.json_response({"error": UsageError.__name__, "message": message}, status=400)


async def _get_health(request: web.Request) -> web.Response:
    return web.json_response({"service": request.app[SERVICE], "version": __version__})


async def _get_pool(request: web.Request) -> web.Response:
    state = request.app[STATE_FILE].state
    pool = state.pool if state else None
    shown = pool and {"service": pool.service, "servers": pool.servers, "weights": pool.weights}
    return web.json_response({"service": request.app[SERVICE], "pool": shown})


async def _put_pool(request: web.Request) -> web.Response:
    content = await request.json()
    servers = {str(revision): tuple(map(str, addresses)) for revision, addresses in content["servers"].items()}
    pool = Pool(str(content["service"]), servers, {str(r): float(w) for r, w in content["weights"].items()})
    if pool.service != request.app[SERVICE]:
        raise UsageError(
            f"this balancer serves {request.app[SERVICE]}, not {pool.service}: check the name of the service"
        )
    check_pool(pool)
    state_file = request.app[STATE_FILE]
    await _verify(pool, state_file.state.pool.servers if state_file.state else {})
    state_file.apply(pool)
    return await _get_pool(request)


async def _verify(pool: Pool, known: dict[str, tuple[str, ...]]) -> None:
    """Check that each new server accepts connections, and at least one server of each revision with a share.

    A server that was already in the pool may be dead: it must not block a rollback.
    """
    for revision, addresses in pool.servers.items():
        dead = [address for address in addresses if not await _accepts(address)]
        new = [address for address in dead if address not in known.get(revision, ())]
        if new or (dead and len(dead) == len(addresses) and pool.weights.get(revision, 0.0) > 0):
            raise UnavailableError(
                f"{revision} does not accept connections at {(new or dead)[0]}: the pool is unchanged"
            )


async def _accepts(address: str) -> bool:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(*split_address(address))
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def _get_weights(request: web.Request) -> web.Response:
    state, now = request.app[STATE_FILE].state, elapsed_s()
    if state is None:
        return web.json_response({"shares": {}, "lease_left_s": None, "lease_id": None, "lapsed": None, "lapses": 0})
    left = None if state.lease is None else max(0.0, state.expires - now)
    lapsed = None if state.lapsed is None else datetime.fromtimestamp(time.time() - now + state.lapsed, UTC).isoformat()
    lease_id = None if state.lease is None else state.lease.id
    found = {"shares": state.pool.weights, "lease_left_s": left, "lease_id": lease_id}
    return web.json_response(found | {"lapsed": lapsed, "lapses": state.lapses})


async def _put_weights(request: web.Request) -> web.Response:
    content = await request.json()
    shares = {str(revision): float(share) for revision, share in content["shares"].items()}
    given = content.get("lease")
    lease = None
    if given:
        lease = Lease(str(given["canary"]), str(given["baseline"]), float(given["ttl_s"]), int(given.get("id", 0)))
    held = content.get("held")
    request.app[STATE_FILE].set_shares(shares, lease, None if held is None else int(held))
    return await _get_weights(request)


async def _put_lease(request: web.Request) -> web.Response:
    request.app[STATE_FILE].renew()
    return await _get_weights(request)
