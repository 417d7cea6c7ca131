"""Checks of the collector: where it listens, and whether other hosts reach it."""

from __future__ import annotations

import os
import secrets
import select
import socket
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pratique.check.finding import Check, SkippedError
from pratique.check.folders import writable_folder
from pratique.check.programs import run_on
from pratique.check.sockets import Address, listen_state, resolved
from pratique.config import Config, ServiceSettings, TelemetrySettings
from pratique.errors import StorageError, UnavailableError
from pratique.incident.webhook_token import read_token
from pratique.number_text import plural
from pratique.runbook.runs import list_runs
from pratique.status import balancer_drift
from pratique.telemetry.collector_settings import settings_of
from pratique.telemetry.collector_status import collector_status, setting_differences

ARRIVES_S = 3.0
LONGEST_SOCKET = 107
"""Bytes of a unix socket's path that the kernel takes."""
_SEND = 'printf %s "$3" > "/dev/udp/$1/$2"'


def collector_checks(config: Config) -> Iterator[Check]:
    """Yield the checks of the collector's addresses."""
    settings = config.telemetry
    own_part = partial(_running, config)
    yield Check("telemetry.listen", partial(listen_state, Address(settings.listen, "udp"), own_part))
    if settings.listen_tcp:
        yield Check("telemetry.listen_tcp", partial(listen_state, Address(settings.listen_tcp, "tcp"), own_part))
    if settings.listen_http:
        yield Check("telemetry.listen_http", partial(listen_state, Address(settings.listen_http, "tcp"), own_part))
        yield Check("telemetry.webhook_token", partial(_token, settings.webhook_token, Path(config.base)))
    if settings.listen_unix:
        yield Check("telemetry.listen_unix", partial(_unix_socket, Path(settings.listen_unix)))
    if _running(config):
        yield Check("telemetry", partial(_same_settings, config))
    if settings.advertise_address:
        yield Check("telemetry.advertise_address", partial(_resolves, settings.advertise_address))
    for host in sorted({host for service in config.services.values() for host in _remote_senders(service)}):
        yield Check(f"telemetry.{_advertised(settings)}", partial(_reached_from, host, config))


def running_balancer_checks(config: Config) -> Iterator[Check]:
    """Yield a check for each running balancer that works by other settings."""
    for name in config.services:
        if found := balancer_drift(config.target(name), list_runs(config.state_dir, name)):
            yield Check(f"services.{name}.balancer", partial(_refuse, found[0]))


def _advertised(settings: TelemetrySettings) -> str:
    return "advertise_address" if settings.advertise_address else "listen"


def _running(config: Config) -> str:
    status = collector_status(config.state_dir)
    return "the collector of this state folder" if status is not None and status.alive else ""


def _refuse(sentence: str) -> str:
    raise UnavailableError(sentence)


def _same_settings(config: Config) -> str:
    """Whether the collector that runs works by this service file."""
    found = setting_differences(
        config.state_dir, settings_of(config.telemetry, config.store, config.services, config.export)
    )
    if found:
        service = next(iter(config.services), "SERVICE")
        more = f" (and {plural(len(found) - 1, 'more setting')})" if len(found) > 1 else ""
        raise UnavailableError(f"{found[0]}{more}: apply it with: pratique up {service} REVISION")
    return "the collector works by this service file"


def _token(reference: str, base: Path) -> str:
    read_token(reference, base)
    return f"{reference} holds a token"


def _unix_socket(path: Path) -> str:
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise StorageError(f"{str(path)!r} is longer than {LONGEST_SOCKET} bytes: choose a shorter path")
    if os.path.lexists(path) and not stat.S_ISSOCK(path.lstat().st_mode):
        raise StorageError(f"{str(path)!r} exists and is not a socket: remove it, or choose another path")
    return writable_folder(path.parent)


def _resolves(text: str) -> str:
    address = Address(text, "udp")
    found = resolved(address)
    return f"{text} is an address" if found == address.host else f"{address.host} is {found}"


def _remote_senders(service: ServiceSettings) -> list[str]:
    """Return the hosts that send access lines or container logs over the network."""
    balancers = service.balancer.haproxy.hosts if service.balancer.kind == "haproxy" else ()
    logged = service.runtime.kind != "process" and service.runtime.docker.log_driver == "syslog"
    engines = service.runtime.docker.hosts if logged else ()
    return [host for host in [*balancers, *engines] if host.startswith("ssh://")]


def _reached_from(host: str, config: Config) -> str:
    """Send a datagram from another host, and wait for it where the collector would listen."""
    listen, target = Address(config.telemetry.listen, "udp"), Address(config.telemetry.collector_address, "udp")
    token = f"pratique-check-{secrets.token_hex(8)}"
    with _listening(listen, host) as receiver:
        run_on(host, ["bash", "-c", _SEND, "bash", target.host, str(target.port), token])
        if not _arrives(receiver, token.encode()):
            raise UnavailableError(
                f"a datagram from {host} to {target.text} does not arrive at {listen.text}: "
                "check telemetry.advertise_address and the firewalls"
            )
    return f"a datagram from {host} to {target.text} arrives"


def _listening(address: Address, host: str) -> socket.socket:
    family, _, _, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)[0]
    receiver = socket.socket(family, socket.SOCK_DGRAM)
    try:
        receiver.bind(where)
    except OSError as error:
        receiver.close()
        raise SkippedError(f"the path from {host} can only be tested while {address.text} is free") from error
    return receiver


def _arrives(receiver: socket.socket, token: bytes) -> bool:
    while select.select([receiver], [], [], ARRIVES_S)[0]:
        if receiver.recv(1024) == token:
            return True
    return False
