"""The parts of a service that keep running between releases: collector, balancer, the revision in place."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from pratique.balancer import open_balancer
from pratique.balancer.base import Balancer, Pool
from pratique.config import BalancerSettings, Config, Target, check_name
from pratique.errors import UnavailableError, UsageError
from pratique.ledger import open_ledger
from pratique.release import Release, configuration_digest, find_release
from pratique.runbook.engine.lock import Lock
from pratique.runtime import open_runtime
from pratique.runtime.base import Instance
from pratique.telemetry.collector import CollectorStatus, collector_status

READY_S = 15.0
LAST_LINES = 3


def start(
    config: Config, service: str, revision: str, *, config_file: str | None = None, store: str | None = None
) -> Iterator[str]:
    """Start collector and balancer, and put the first revision in place; tell each step as it is done.

    Parts that run already are left alone. Raises: UsageError when another revision is in place,
    BusyError (a run is at work), MissingError (no such release), UnavailableError with the last log lines of what did not
    start.
    """
    check_name("service", service)
    check_name("revision", revision)
    target = config.target(service)
    settings = target.settings
    release = find_release(target, revision)
    options = _options(config_file, store)
    balancer = open_balancer(target)
    if _collector(config) is None:
        _spawn(config, "collector", service, ["collect", *options], lambda: _collector(config) is not None)
    yield f"collector  takes access lines at {config.telemetry.listen} (UDP)"
    if not _answers(balancer, service):
        _spawn(config, "balancer", service, ["balancer", service, *options], lambda: _answers(balancer, service))
    yield f"balancer   serves {service} at {_url(settings.balancer)}"
    with Lock(config.state_dir, service).shut():
        instances = _put_in_place(target, balancer, release)
    yield f"{revision:<10} runs at {', '.join(instance.address for instance in instances)} and gets all the traffic"


def _put_in_place(target: Target, balancer: Balancer, release: Release) -> list[Instance]:
    """The first revision: its instances, with all of the traffic."""
    service, revision = release.service, release.revision
    settings = target.settings.runtime
    _refuse_another(balancer, service, revision)
    runtime = open_runtime(target)
    ledger = open_ledger(target.state_dir)
    ledger.bind(service, revision, release.digest, configuration=configuration_digest(release))
    instances = there = [instance for instance in runtime.list(service) if instance.revision == revision]
    if len(there) < settings.instances * len(runtime.hosts):
        instances = runtime.start(release, run=f"up-{revision}", role="baseline", count=settings.instances)
    try:
        for instance in instances:
            runtime.wait_ready(instance, deadline_s=settings.readiness_timeout_s)
    except UnavailableError:
        served = {instance.group or instance.id for instance in there}
        for instance in instances:
            if (instance.group or instance.id) not in served:
                runtime.stop(instance, drain_s=0)
        raise
    shares = {revision: 1.0}
    balancer.apply(Pool(service, {revision: tuple(instance.address for instance in instances)}, shares))
    ledger.append("release", service, revision=revision, data={"event": "first", "digest": release.digest})
    ledger.append("weight", service, revision=revision, data={"shares": shares})
    return instances


def stop(config: Config, service: str) -> Iterator[str]:
    """Stop a service's balancer, its instances and, when nobody else needs it, the collector. Data stays."""
    check_name("service", service)
    target = config.target(service)
    settings = target.settings
    runtime = open_runtime(target)
    for process in _parts(config, "balancer", service):
        _end(process)
        yield f"balancer   stopped ({process.pid})"
    if settings.balancer.kind == "haproxy":
        from pratique.balancer.haproxy.process import stop_unsupervised  # noqa: PLC0415 - jinja2

        if stop_unsupervised(target):
            yield "balancer   HAProxy stopped, which nothing looked after any more"
    for instance in runtime.list(service):
        runtime.stop(instance, drain_s=settings.runtime.drain_s)
        yield f"{instance.revision:<10} stopped ({instance.address})"
    if not _parts(config, "balancer"):
        for process in _parts(config, "collector"):
            _end(process)
            yield f"collector  stopped ({process.pid}); everything it had received is in the store"


def describe(config: Config, service: str) -> Iterator[str]:
    """Say what runs, who gets the traffic, and how the collector does."""
    check_name("service", service)
    target = config.target(service)
    settings = target.settings
    balancer = open_balancer(target)
    if _answers(balancer, service):
        weights = balancer.weights(service)
        shares = ", ".join(f"{revision} {share:.1%}" for revision, share in weights.shares.items()) or "no pool yet"
        lease = "" if weights.lease_left_s is None else f" (a lease, {weights.lease_left_s:.1f} s left)"
        yield f"balancer   {_url(settings.balancer)}: {shares}{lease}"
        yield from (f"drift      {sentence}" for sentence in balancer.drift(service))
    else:
        yield f"balancer   of {service} does not answer: start it with: pratique up {service} REVISION"
    status = _collector(config)
    yield f"collector  {status.to_text()}" if status else "collector  does not run: requests are not being measured"
    instances = open_runtime(target).list(service)
    yield from (f"drift      {sentence}" for sentence in _astray(balancer, service, instances))
    for instance in instances:
        yield f"{instance.revision:<10} {instance.role}, {instance.address}, since {instance.started:%Y-%m-%d %H:%M:%SZ}"
    if not instances:
        yield "instances  none"


def _astray(balancer: Balancer, service: str, instances: Sequence[Instance]) -> Iterator[str]:
    """Addresses of the pool at which nothing of that revision runs, such as a task's that the engine has replaced."""
    try:
        pool = balancer.pool(service)
    except UnavailableError:
        return
    running = {instance.address for instance in instances}
    for revision, addresses in (pool.servers if pool else {}).items():
        for address in addresses:
            if address not in running:
                yield f"nothing of {revision} runs at {address} any more: pratique up {service} {revision}"


def _url(settings: BalancerSettings) -> str:
    return f"{'https' if settings.haproxy.certificate else 'http'}://{settings.listen}"


def _options(config_file: str | None, store: str | None) -> list[str]:
    given = [("--config", config_file), ("--store", store)]
    return [word for option, value in given if value for word in (option, value)]


def _answers(balancer: Balancer, service: str) -> bool:
    try:
        balancer.pool(service)
    except UnavailableError:
        return False
    return True


def _collector(config: Config) -> CollectorStatus | None:
    status = collector_status(config.state_dir)
    return status if status is not None and status.alive else None


def _refuse_another(balancer: Balancer, service: str, revision: str) -> None:
    pool = balancer.pool(service)
    serving = [name for name, share in (pool.weights if pool else {}).items() if share > 0]
    if serving not in ([], [revision]):
        raise UsageError(
            f"{service} runs {', '.join(serving)} already: release {revision!r} with: "
            f"pratique run release -p service {service} -p revision {revision}"
        )


def _spawn(config: Config, part: str, service: str, arguments: list[str], ready: Callable[[], bool]) -> None:
    log = config.state_dir / "processes" / f"{part}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    labels = {"PRATIQUE_PART": part, "PRATIQUE_SERVICE": service, "PRATIQUE_STATE": str(config.state_dir.absolute())}
    with log.open("ab") as output:
        before = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "pratique.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | labels,
            start_new_session=True,
        )
    deadline = time.monotonic() + READY_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise UnavailableError(f"{part} did not start: {_said_since(log, before)} (log: {log})")
        time.sleep(0.05)


def _said_since(log: Path, start: int) -> str:
    """The last lines that a part has written since, HAProxy's own among them."""
    lines = log.read_bytes()[start:].decode("utf-8", "replace").splitlines()
    return " / ".join(line[:200] for line in lines[-LAST_LINES:]) or "it said nothing"


def _parts(config: Config, part: str, service: str | None = None) -> list[psutil.Process]:
    wanted = {"PRATIQUE_PART": part, "PRATIQUE_STATE": str(config.state_dir.absolute())}
    if service is not None:
        wanted["PRATIQUE_SERVICE"] = service
    found = []
    for process in psutil.process_iter():
        try:
            labels = process.environ()
            if process.status() != psutil.STATUS_ZOMBIE and wanted.items() <= labels.items():
                found.append(process)
        except psutil.Error:
            continue
    return found


def _end(process: psutil.Process) -> None:
    try:
        process.terminate()
        process.wait(READY_S)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(READY_S)
    except psutil.NoSuchProcess:
        return
