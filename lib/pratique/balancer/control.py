"""The control interface of the embedded balancer: JSON over HTTP, on loopback only."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from pratique.balancer.accessline import AccessSender
from pratique.balancer.base import Lease, Pool
from pratique.balancer.keeper import Keeper
from pratique.balancer.shares import check_pool
from pratique.errors import PratiqueError, UnavailableError, UsageError

PROBE_S = 2.0
KEEPER = web.AppKey("keeper", Keeper)
SERVICE = web.AppKey("service", str)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def control_app(
    service: str, keeper: Keeper, requests: Counter[str], in_flight: Counter[str], sender: AccessSender
) -> web.Application:
    """The application behind BalancerSettings.control."""

    async def stats(_: web.Request) -> web.Response:
        flying = {server: count for server, count in in_flight.items() if count}
        lines = {"sent": sender.sent, "failed": sender.failed}
        return web.json_response({"requests": dict(requests), "in_flight": flying, "access_lines": lines})

    app = web.Application(middlewares=[_errors])
    app[KEEPER], app[SERVICE] = keeper, service
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
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"not what {request.method} {request.path} takes: {error}"
        return web.json_response({"error": UsageError.__name__, "message": message}, status=400)


def _pool_json(pool: Pool) -> dict[str, Any]:
    return {"service": pool.service, "servers": pool.servers, "weights": pool.weights}


async def _get_pool(request: web.Request) -> web.Response:
    state = request.app[KEEPER].state
    return web.json_response({"service": request.app[SERVICE], "pool": _pool_json(state.pool) if state else None})


async def _put_pool(request: web.Request) -> web.Response:
    content = await request.json()
    servers = {str(revision): tuple(map(str, addresses)) for revision, addresses in content["servers"].items()}
    pool = Pool(str(content["service"]), servers, {str(r): float(w) for r, w in content["weights"].items()})
    if pool.service != request.app[SERVICE]:
        raise UsageError(
            f"this balancer serves {request.app[SERVICE]}, not {pool.service}: check services.*.balancer.control"
        )
    check_pool(pool)
    await _verify(pool)
    request.app[KEEPER].apply(pool)
    return await _get_pool(request)


async def _verify(pool: Pool) -> None:
    for revision, addresses in pool.servers.items():
        for address in addresses if pool.weights.get(revision, 0.0) > 0 else ():
            host, _, port = address.rpartition(":")
            try:
                async with asyncio.timeout(PROBE_S):
                    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            except (OSError, TimeoutError) as error:
                raise UnavailableError(
                    f"{revision} does not accept connections at {address}: the pool stays as it was"
                ) from error
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _get_weights(request: web.Request) -> web.Response:
    state = request.app[KEEPER].state
    if state is None:
        return web.json_response({"shares": {}, "lease_left_s": None, "lapses": 0})
    left = None if state.lease is None else max(0.0, state.expires - asyncio.get_running_loop().time())
    return web.json_response({"shares": state.pool.weights, "lease_left_s": left, "lapses": state.lapses})


async def _put_weights(request: web.Request) -> web.Response:
    content = await request.json()
    shares = {str(revision): float(share) for revision, share in content["shares"].items()}
    given = content.get("lease")
    lease = Lease(str(given["canary"]), str(given["baseline"]), float(given["ttl_s"])) if given else None
    request.app[KEEPER].set_shares(shares, lease)
    return await _get_weights(request)


async def _put_lease(request: web.Request) -> web.Response:
    request.app[KEEPER].renew()
    return await _get_weights(request)
