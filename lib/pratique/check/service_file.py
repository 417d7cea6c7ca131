"""The checks of a whole service file, in the order of its tables."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pratique.check.balancer import balancer_checks
from pratique.check.collector import collector_checks, running_balancer_checks
from pratique.check.containers import container_checks
from pratique.check.deadline import deadline_state
from pratique.check.export import export_checks
from pratique.check.finding import Check
from pratique.check.folders import writable_folder
from pratique.check.processes import process_checks
from pratique.check.programs import find_program
from pratique.check.sockets import Address, without_a_clash
from pratique.check.store import store_checks
from pratique.config import Config, Target
from pratique.errors import MissingError
from pratique.release.secrets import is_reference, resolve_env


def checks_of(config: Config, service: str | None = None) -> list[Check]:
    """Return the checks of a service file; nothing is looked at before they run.

    service: only the general checks and those of one service. Raises: MissingError (there is no file, or no such
    service in it).
    """
    if not config.file:
        raise MissingError("there is no pratique.toml in this folder: write one with: pratique init")
    if service is not None and service not in config.services:
        known = ", ".join(config.services) or "none"
        raise MissingError(f"{config.file!r} has no service {service[:80]!r}; it has: {known}")
    names = list(config.services) if service is None else [service]
    return [*_general_checks(config), *(check for name in names for check in _service_checks(config, name))]


def _general_checks(config: Config) -> Iterator[Check]:
    yield Check(Path(config.file).name, partial(_services, config))
    yield Check("state", partial(writable_folder, config.state_dir))
    yield from store_checks(config)
    if not config.store.is_read_only:
        yield from collector_checks(config)
        yield from export_checks(config)
    yield from running_balancer_checks(config)


def _services(config: Config) -> str:
    if not config.services:
        raise MissingError("it defines no service: add one, as pratique init does")
    without_a_clash(_addresses(config))
    return f"valid, with the service{'s' if len(config.services) > 1 else ''} {', '.join(config.services)}"


def _addresses(config: Config) -> Iterator[tuple[str, Address]]:
    """Yield every address of this machine that something will listen on, with its key."""
    telemetry = config.telemetry
    yield "telemetry.listen", Address(telemetry.listen, "udp")
    if telemetry.listen_tcp:
        yield "telemetry.listen_tcp", Address(telemetry.listen_tcp, "tcp")
    if telemetry.listen_http:
        yield "telemetry.listen_http", Address(telemetry.listen_http, "tcp")
    for name, service in config.services.items():
        if service.balancer.kind == "embedded" or not service.balancer.haproxy.hosts:
            yield f"services.{name}.balancer.listen", Address(service.balancer.listen, "tcp")


def _service_checks(config: Config, name: str) -> Iterator[Check]:
    target = config.target(name)
    yield from _secret_checks(target)
    kind = target.settings.runtime.kind
    yield from process_checks(target) if kind == "process" else container_checks(target)
    yield from balancer_checks(target)
    command = target.settings.rollout.acceptance_command
    if command:
        subject = f"services.{name}.rollout.acceptance_command"
        yield Check(subject, partial(find_program, command[0], target.base))
    yield Check(f"services.{name}.judge.deadline_min", partial(deadline_state, config, name))


def _secret_checks(target: Target) -> Iterator[Check]:
    for name, value in target.settings.runtime.env.items():
        if is_reference(value):
            yield Check(f"services.{target.service}.runtime.env.{name}", partial(_secret, name, value, target.base))


def _secret(name: str, reference: str, base: Path) -> str:
    value = resolve_env({name: reference}, base)[name]
    if not value:
        raise MissingError(f"{reference!r} is empty: set it")
    return f"{reference} can be read"
