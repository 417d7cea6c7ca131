"""`pratique balancer SERVICE`: the process of the embedded balancer, a reverse proxy and its control interface."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys

from aiohttp import web

from pratique.balancer.accessline import AccessSender
from pratique.balancer.control import control_app
from pratique.balancer.forward import MAX_HEAD, Proxy
from pratique.balancer.shares import split_address
from pratique.balancer.state_file import Keeper
from pratique.config import Target
from pratique.errors import UnavailableError

IDLE_S = 75.0
"""How long an idle connection of a client is kept."""
FINISH_S = 5.0
"""How long requests in flight may take to finish when the balancer is told to end."""
LAPSE_CHECK_S = 0.1


async def serve(target: Target, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; requests in flight are finished first.

    Raises: UnavailableError when an address is taken or cannot be found, DataError, DeniedError.
    """
    service, settings = target.service, target.settings.balancer
    keeper = Keeper(target.state_dir / "balancer" / f"{service}.json")
    sender = AccessSender(target.telemetry.listen, socket.gethostname())
    proxy = Proxy(service, settings.timeout_s, keeper, sender)
    await proxy.open()
    front, control = _front(proxy), web.AppRunner(control_app(service, keeper, proxy, sender), access_log=None)
    try:
        await _listen(front, settings.listen)
        await _listen(control, settings.control)
        print(f"{service} at http://{settings.listen}, control at {settings.control}", file=sys.stderr, flush=True)  # noqa: T201
        await _until(stop, keeper)
    finally:
        await front.cleanup()
        await control.cleanup()
        await proxy.close()
        sender.close()


def _front(proxy: Proxy) -> web.ServerRunner:
    # what a hostile client sends is no event of ours: aiohttp would write a traceback for each broken request
    quiet = logging.getLogger("pratique.balancer.front")
    quiet.setLevel(logging.CRITICAL)
    server = web.Server(
        proxy.handle,
        handler_cancellation=True,
        logger=quiet,
        access_log=None,
        keepalive_timeout=IDLE_S,
        max_line_size=MAX_HEAD,
        max_field_size=MAX_HEAD,
        auto_decompress=False,
    )
    return web.ServerRunner(server, shutdown_timeout=FINISH_S)


async def _listen(runner: web.BaseRunner, address: str) -> None:
    host, port = split_address(address)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else "no such port"
        raise UnavailableError(f"balancer cannot listen at {address}: {why}: is another one running?") from error


async def _until(stop: asyncio.Event, keeper: Keeper) -> None:
    while not stop.is_set():
        for line in keeper.lapse():
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - the process's own log
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LAPSE_CHECK_S)


def run_balancer(target: Target) -> None:
    """Run the balancer of a service until SIGTERM or SIGINT.

    Raises: UnavailableError when an address is taken, DataError when its kept state is damaged.
    """

    async def main() -> None:
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        await serve(target, stop)

    asyncio.run(main())
