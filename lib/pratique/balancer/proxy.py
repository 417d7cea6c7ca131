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
from pratique.balancer.connections import FILES_KEPT, MOST_CONNECTIONS, ClientWaits, UserConnections, raise_file_limit
from pratique.balancer.control import control_app
from pratique.balancer.control_socket import control_path, listening
from pratique.balancer.forward import HEADER_MAX_BYTES, Proxy
from pratique.balancer.head_bound import MOST_FIELDS, BoundedHeadServer
from pratique.balancer.process_log import bound_the_log
from pratique.balancer.shares import split_address
from pratique.balancer.state_file import StateFile
from pratique.config import Target
from pratique.errors import UnavailableError

CLIENT_IDLE_TIMEOUT_S = 75.0
"""How long an idle connection of a client stays open."""
SHUTDOWN_TIMEOUT_S = 5.0
"""How long requests in flight may take to finish when the balancer stops."""
LEASE_CHECK_INTERVAL_S = 0.1


async def serve(target: Target, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then finish the requests in flight.

    Raises: UnavailableError when an address is in use or cannot be resolved, BusyError, DataError, DeniedError.
    """
    service, settings = target.service, target.settings.balancer
    state_file = StateFile(target.state_dir / "balancer" / f"{service}.json")
    sender = AccessSender(target.telemetry.listen, socket.gethostname())
    waits = ClientWaits()
    proxy = Proxy(service, settings.timeout_s, state_file, sender, waits)
    await proxy.open()
    users = UserConnections(proxy.handle, waits, most=_most_connections())
    front, control = _front(users), web.AppRunner(control_app(service, state_file, proxy, sender), access_log=None)
    try:
        await front.setup()
        assert front.server is not None  # noqa: S101 - set by setup
        users.start(front.server, settings.listen)
        with listening(control_path(target.state_dir, service)) as listener:
            await _control_until(stop, control, listener, f"{service} at http://{settings.listen}", state_file)
    finally:
        await users.stop()
        await front.cleanup()
        await proxy.close()
        sender.close()


def _most_connections() -> int:
    return max(1, min(MOST_CONNECTIONS, (raise_file_limit() - FILES_KEPT) // 2))


async def _control_until(
    stop: asyncio.Event, control: web.AppRunner, listener: socket.socket, what: str, state_file: StateFile
) -> None:
    try:
        await control.setup()
        await web.SockSite(control, listener).start()
        print(what, file=sys.stderr, flush=True)  # noqa: T201
        await _until(stop, state_file)
    finally:
        await control.cleanup()


def _front(users: UserConnections) -> web.ServerRunner:
    # aiohttp would log a traceback for each malformed request of a client
    quiet = logging.getLogger("pratique.balancer.front")
    quiet.setLevel(logging.CRITICAL)
    server = BoundedHeadServer(
        users.handle,
        handler_cancellation=True,
        logger=quiet,
        access_log=None,
        keepalive_timeout=CLIENT_IDLE_TIMEOUT_S,
        max_line_size=HEADER_MAX_BYTES,
        max_field_size=HEADER_MAX_BYTES,
        max_headers=MOST_FIELDS,
        auto_decompress=False,
    )
    return web.ServerRunner(server, shutdown_timeout=SHUTDOWN_TIMEOUT_S)


async def _listen(runner: web.BaseRunner, address: str) -> None:
    host, port = split_address(address)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such port"
        raise UnavailableError(
            f"balancer cannot listen on {address}: {reason}: check whether another balancer is running"
        ) from error


async def _until(stop: asyncio.Event, state_file: StateFile) -> None:
    while not stop.is_set():
        for line in state_file.expire_lease():
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - the process's own log
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LEASE_CHECK_INTERVAL_S)


def run_balancer(target: Target) -> None:
    """Run the balancer of a service until SIGTERM or SIGINT.

    Raises: UnavailableError when an address is in use, DataError when its state file is corrupt.
    """

    async def main() -> None:
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        await serve(target, stop)

    bound_the_log()
    asyncio.run(main())
