"""`pratique up` and `down`: the parts that keep running between releases: collector, balancer, first revision."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from pratique import background
from pratique.balancer import Balancer, Pool, open_balancer
from pratique.balancer.settings_file import balancer_differences, forget_settings
from pratique.clock import stamp, utc_now
from pratique.config import Target, check_name
from pratique.errors import BusyError, UnavailableError, UsageError
from pratique.ledger import open_ledger
from pratique.ledger.history import shares_of
from pratique.release import Release, configuration_digest, find_release
from pratique.release.commit import find_commit
from pratique.runtime import Instance, Runtime, open_runtime
from pratique.status import answers, running_collector, setting_differences, url_of
from pratique.subject_lock import Lock

RELOAD_TIMEOUT_S = 5.0
"""How long a collector may take to follow a changed service file before it is started again."""


def start(target: Target, revision: str, *, config_file: str | None = None, store: str | None = None) -> Iterator[str]:
    """Start the collector, the balancer and the first revision of a service; yield one line for each.

    Parts that already run are left alone. config_file, store: as on the command line, for the background processes.
    Raises: UsageError when another revision gets traffic, BusyError when a run holds the service, MissingError when
        there is no such release, UnavailableError with the last log lines of the part that did not start.
    """
    service = target.service
    check_name("revision", revision)
    release = find_release(target, revision)
    target.make_state_folder()
    options = _options(config_file, store)
    balancer = open_balancer(target)
    with background.changing_parts(target.state_dir):
        try:
            yield from _measuring(target, options)
        except BusyError:
            # users must not go without a balancer until the run has ended
            _ensure_balancer(target, balancer, options)
            raise
        if answers(balancer, service):
            yield from (f"balancer   {sentence}" for sentence in balancer_differences(target))
        _ensure_balancer(target, balancer, options)
    yield f"balancer   {service} at {url_of(target)}"
    with Lock(target.state_dir, service).blocking_new_runs():
        instances = _put_in_place(target, balancer, release)
    addresses = ", ".join(instance.address for instance in instances)
    yield f"{revision:<10} running at {addresses} with all of the traffic"


def stop(target: Target, *, force: bool = False) -> Iterator[str]:
    """Stop the balancer and the instances of a service, and the collector when no other service needs it. Data stays.

    Yields one line for each part. force: also while a run holds the service; the run then fails.
    Raises: BusyError naming the run that holds the service.
    """
    runtime = open_runtime(target)
    # without a state folder there is no run, and a lock would leave a trace
    free = force or not target.state_dir.is_dir()
    with contextlib.nullcontext() if free else _no_run(target), background.changing_parts(target.state_dir):
        yield from _stop_parts(target, runtime)


@contextlib.contextmanager
def _no_run(target: Target) -> Iterator[None]:
    try:
        with Lock(target.state_dir, target.service).blocking_new_runs():
            yield
    except BusyError as error:
        raise BusyError(f"{error} (or stop the service under it: pratique down {target.service} --force)") from None


def _stop_parts(target: Target, runtime: Runtime) -> Iterator[str]:
    state_dir, service = target.state_dir, target.service
    for process in background.find(state_dir, "balancer", service):
        background.end(process)
        forget_settings(target)
        yield f"balancer   stopped ({process.pid})"
    if target.settings.balancer.kind == "haproxy":
        from pratique.balancer.haproxy.supervisor import stop_unsupervised  # noqa: PLC0415 - jinja2

        if stop_unsupervised(target):
            yield "balancer   stopped an unsupervised HAProxy process"
    for instance in runtime.list(service):
        runtime.stop(instance, drain_s=target.settings.runtime.drain_s)
        yield f"{instance.revision:<10} stopped ({instance.address})"
    if not background.find(state_dir, "balancer") and not _runs_of_others(state_dir, service):
        for process in background.find(state_dir, "collector"):
            background.end(process)
            yield f"collector  stopped ({process.pid}); every line that it received is in the store"


def _runs_of_others(state_dir: Path, service: str) -> list[str]:
    """The other services that a run holds: their release needs the collector, wherever their balancer runs."""
    others = [path.stem for path in (state_dir / "locks").glob("*.lock") if path.stem != service]
    return [other for other in others if Lock(state_dir, other).holder() is not None]


def _measuring(target: Target, options: list[str]) -> Iterator[str]:
    """Start the collector, or make it work by the service file; with a store that another server fills none is needed."""
    if target.store.is_read_only:
        yield f"collector  not needed: requests are counted from {target.store.url}"
        return
    if running_collector(target.state_dir) is None:
        _spawn_collector(target, options)
    else:
        yield from _apply_settings(target, options)
    yield f"collector  listening on {target.telemetry.listen} (UDP)"


def _spawn_collector(target: Target, options: list[str]) -> None:
    def ready() -> bool:
        return running_collector(target.state_dir) is not None

    background.spawn(target.state_dir, "collector", target.service, ["collect", *options], ready)


def _apply_settings(target: Target, options: list[str]) -> Iterator[str]:
    """Make a collector that runs with other settings work by the service file; yield a line for each setting."""
    before = setting_differences(target)
    if not before:
        return
    _refuse_during_a_run(target)
    processes = background.find(target.state_dir, "collector")
    if not processes:
        raise UsageError(
            f"{before[0]}: this collector was not started by pratique up: stop it and start it again, "
            "or send it SIGHUP if it reads the same service file"
        )
    for process in processes:
        process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + RELOAD_TIMEOUT_S
    while setting_differences(target) and time.monotonic() < deadline:
        time.sleep(0.1)
    if setting_differences(target):
        # it reads another service file, or has another --store: its command line cannot change while it runs
        for process in processes:
            background.end(process)
        _spawn_collector(target, options)
    yield from (f"collector  changed: {sentence}" for sentence in before)


def _refuse_during_a_run(target: Target) -> None:
    """Raise BusyError where a run of any service would be judged by windows or names that change under it."""
    other = setting_differences(target, counting_only=True)
    for service in sorted(path.stem for path in (target.state_dir / "locks").glob("*.lock")) if other else ():
        try:
            Lock(target.state_dir, service).require_free()
        except BusyError as error:
            raise BusyError(f"{other[0]}, and applying it would change what a run compares: {error}") from None


def _ensure_balancer(target: Target, balancer: Balancer, options: list[str]) -> None:
    service = target.service
    if not answers(balancer, service):
        arguments = ["balancer", service, *options]
        background.spawn(target.state_dir, "balancer", service, arguments, lambda: answers(balancer, service))


def _options(config_file: str | None, store: str | None) -> list[str]:
    given = [("--config", config_file), ("--store", store)]
    return [word for option, value in given if value for word in (option, value)]


def _put_in_place(target: Target, balancer: Balancer, release: Release) -> list[Instance]:
    """Give all of the traffic to the instances of the first revision, which are started if they are missing."""
    service, revision = release.service, release.revision
    _refuse_another(balancer, service, revision)
    runtime = open_runtime(target)
    ledger = open_ledger(target.state_dir)
    configuration = configuration_digest(release)
    ledger.require_unchanged(service, revision, release.digest, configuration=configuration)
    instances = _ready_instances(target, runtime, release)
    ledger.bind(service, revision, release.digest, configuration=configuration)
    shares, asked = {revision: 1.0}, utc_now()
    latest = ledger.latest_shares(service)
    serves = latest is not None and shares_of(latest) == shares
    pool = Pool(service, {revision: tuple(instance.address for instance in instances)}, shares)
    # an incident is compared with every change of the ledger: what stays as it is must not be one
    changes_nothing = serves and _same(balancer.pool(service), pool)
    if not serves:
        ledger.append("release", service, revision=revision, data=_first_data(target, release))
    balancer.apply(pool)
    times = {"asked": stamp(asked), "confirmed": stamp(utc_now())}
    if not changes_nothing:
        ledger.append("weight", service, revision=revision, data={"shares": shares, **times})
    return instances


def _first_data(target: Target, release: Release) -> dict[str, str]:
    found = find_commit(release.revision, target.base)
    return {"event": "first", "digest": release.digest, "commit": found.commit, "commit_from": found.source}


def _same(one: Pool | None, other: Pool) -> bool:
    """Whether two pools send the same traffic to the same servers, in any order."""
    if one is None or {name: share for name, share in one.weights.items() if share > 0} != other.weights:
        return False
    return {name: set(found) for name, found in one.servers.items() if found} == {
        name: set(found) for name, found in other.servers.items()
    }


def _ready_instances(target: Target, runtime: Runtime, release: Release) -> list[Instance]:
    """The instances of a release, all of them ready; those that this call started are stopped when one is not."""
    settings = target.settings.runtime
    instances = there = [i for i in runtime.list(release.service) if i.revision == release.revision]
    if len(there) < settings.instances * len(runtime.hosts):
        run = f"up-{release.revision}"
        instances = runtime.start(release, run=run, role="baseline", count=settings.instances)
    try:
        for instance in instances:
            runtime.wait_ready(instance, deadline_s=settings.readiness_timeout_s)
    except UnavailableError:
        kept = {instance.group or instance.id for instance in there}
        for instance in instances:
            if (instance.group or instance.id) not in kept:
                runtime.stop(instance, drain_s=0)
        raise
    return instances


def _refuse_another(balancer: Balancer, service: str, revision: str) -> None:
    pool = balancer.pool(service)
    serving = [name for name, share in (pool.weights if pool else {}).items() if share > 0]
    if serving not in ([], [revision]):
        raise UsageError(
            f"{service} already runs {', '.join(serving)}: release {revision!r} with: "
            f"pratique release {service} {revision}"
        )
