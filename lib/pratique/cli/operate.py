"""The commands of the section "Operate"."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pratique.cli.colours import paint_phrase
from pratique.cli.completion import complete_revisions
from pratique.cli.options import (
    DONE_EPILOG,
    config_options,
    json_array,
    json_object,
    load_config,
    revision_argument,
    service_argument,
)
from pratique.clock import stamp
from pratique.errors import MissingError, PratiqueError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pratique.config import Config
    from pratique.store import Store
    from pratique.telemetry.rollups import Sink


@click.command(epilog=DONE_EPILOG)
@service_argument
@json_object
@config_options
def status(service: str, as_json: bool, config: str | None, store: str | None) -> None:
    """Show running instances, traffic split and collector health."""
    from pratique.check.problems import notify_problems  # noqa: PLC0415
    from pratique.notify import send_waiting  # noqa: PLC0415
    from pratique.status import describe  # noqa: PLC0415

    settings = load_config(config, store)
    found = describe(settings.target(service))
    notify_problems(settings)
    send_waiting(settings.state_dir)
    if as_json:
        click.echo(json.dumps(found.to_json(), allow_nan=False))
    else:
        for line in found.to_text():
            click.echo(paint_phrase(line, "drift", "dead run", "not running", "does not answer"))
    if found.error is not None:
        raise found.error


@click.command(epilog=DONE_EPILOG)
@service_argument
@revision_argument()
@config_options
def up(service: str, revision: str, config: str | None, store: str | None) -> None:
    """Start the collector, the balancer and the first revision.

    They run in the background. Parts that already run are left alone.
    """
    from pratique.bootstrap import start  # noqa: PLC0415

    for line in start(load_config(config, store).target(service), revision, config_file=config, store=store):
        click.echo(line)


@click.command(epilog=DONE_EPILOG)
@service_argument
@click.option("--force", is_flag=True, help="Stop it even while a release runs, which then fails.")
@config_options
def down(service: str, force: bool, config: str | None, store: str | None) -> None:
    """Stop everything that runs for a service. Data stays.

    The collector is stopped when no other service needs it. It refuses while a run holds the service.
    """
    from pratique.bootstrap import stop  # noqa: PLC0415

    stopped = 0
    for stopped, line in enumerate(stop(load_config(config, store).target(service), force=force), 1):  # noqa: B007
        click.echo(line)
    if not stopped:
        click.echo(f"{service} is not running")


@click.command(epilog=DONE_EPILOG)
@service_argument
@click.option("--revision", shell_complete=complete_revisions, help="Only the lines of this revision.")
@click.option(
    "--lines", type=click.IntRange(min=1), default=100, metavar="N", help="Print the last N lines. Default: 100."
)
@json_array
@config_options
def logs(service: str, revision: str | None, lines: int, as_json: bool, config: str | None, store: str | None) -> None:
    """Print container logs that the collector keeps."""
    from pratique.telemetry.containerlogs import container_logs  # noqa: PLC0415

    settings = load_config(config, store)
    found = deque(container_logs(settings.state_dir, service, revision=revision), maxlen=lines)
    if as_json:
        click.echo(json.dumps([asdict(line) | {"time": stamp(line.time)} for line in found]))
        return
    if not found and service in settings.services and settings.service(service).runtime.kind == "process":
        files = settings.state_dir / "processes" / f"{service}-*.log"
        raise MissingError(
            f"{service} runs as local processes, which have no container logs: their output is in {files}"
        )
    if not found:
        if settings.services:
            settings.target(service)  # a misspelt name has no logs either
        raise MissingError(
            f"no container logs of {service!r}{f', revision {revision!r}' if revision else ''}: the collector keeps "
            f'them when services.{service}.runtime.docker.log_driver is "syslog"'
        )
    for line in found:
        click.echo(f"{line.time.isoformat(timespec='milliseconds')} {line.revision} {line.instance} {line.text}")


@click.command(epilog=DONE_EPILOG)
@service_argument
@click.option("--remove", is_flag=True, help="Drain and stop the orphans. Without it, only list them.")
@json_array
@config_options
def orphans(service: str, remove: bool, as_json: bool, config: str | None, store: str | None) -> None:
    """List instances left over from a crashed run.

    An orphan is in no pool and belongs to no active run.
    """
    from pratique.balancer import open_balancer  # noqa: PLC0415
    from pratique.runbook.recovery import remove_orphans  # noqa: PLC0415
    from pratique.runbook.runs import dead_runs  # noqa: PLC0415
    from pratique.runbook.service.orphans import describe_orphans, find_orphans  # noqa: PLC0415
    from pratique.runtime import open_runtime  # noqa: PLC0415
    from pratique.status import instance_json  # noqa: PLC0415

    target = load_config(config, store).target(service)
    parts = open_runtime(target), open_balancer(target)
    found = remove_orphans(target, *parts) if remove else find_orphans(target, *parts)
    if as_json:
        click.echo(json.dumps([instance_json(instance) for instance in found]))
        return
    for line in describe_orphans(found):
        click.echo(f"removed {line}" if remove else line)
    for run in dead_runs(target.state_dir, service):
        click.echo(f"dead run {run.id}: {run.ways_on}")
    if not found:
        click.echo(f"no orphans of {service}")
    elif not remove:
        click.echo(f"remove them with: pratique orphans {service} --remove")


@click.command(epilog=DONE_EPILOG)
@click.option("--listen", metavar="HOST:PORT", help="The UDP address for syslog; overrides the service file.")
@config_options
def collect(listen: str | None, config: str | None, store: str | None) -> None:
    """Run the collector in the foreground.

    It receives access lines as syslog, rolls them up, and writes them to the store. It also keeps container logs, and passes on
    what Grafana shows: releases, weights and verdicts.
    It takes changes from webhooks where telemetry.listen_http is set, and looks at the jobs of the service file.
    On SIGHUP it reads the service file again, without losing a line.
    """
    from pratique.config import check_address  # noqa: PLC0415
    from pratique.store import open_store, require_writable  # noqa: PLC0415

    def read_settings() -> Config:
        found = load_config(config, store)
        require_writable(found.store)
        found.make_state_folder()
        return found

    address = check_address(listen) if listen is not None else None
    settings = read_settings()
    # pyarrow, once nothing is refused
    from pratique.check.problem_watch import ProblemWatch  # noqa: PLC0415
    from pratique.export.exports import Exports  # noqa: PLC0415
    from pratique.incident.webhook import ChangeReceiver  # noqa: PLC0415
    from pratique.jobs.job_watch import JobWatch  # noqa: PLC0415
    from pratique.telemetry.collector import run_collector  # noqa: PLC0415

    exports, changes, problems, jobs = Exports(), ChangeReceiver(), ProblemWatch(), JobWatch()
    used = settings

    def follow(found: Config, written: Store) -> Sink:
        nonlocal used
        changes.follow(found)
        try:
            sink = exports.follow(found, written)
        except PratiqueError:
            changes.follow(used)
            raise
        problems.follow(found)
        jobs.follow(found)
        used = found
        return sink

    def reread() -> tuple[Config, Callable[[], Sink]]:
        found = read_settings()
        written = open_store(found.store)
        return found, lambda: follow(found, written)

    def begin() -> None:
        changes.follow(settings)
        problems.follow(settings)
        jobs.follow(settings)

    try:
        run_collector(
            settings,
            exports.follow(settings, open_store(settings.store)),
            listen=address,
            reread=reread,
            exports=exports.notes,
            webhook=changes.describe,
            begin=begin,
        )
    finally:
        jobs.close()
        problems.close()
        changes.close()
        exports.close()


@click.command(epilog=DONE_EPILOG)
@service_argument
@config_options
def balancer(service: str, config: str | None, store: str | None) -> None:
    """Run the balancer of a service in the foreground.

    HAProxy keeps running if this command is killed, and stops if it exits normally.
    """
    from pratique.balancer.settings_file import forget_settings, keep_settings  # noqa: PLC0415

    target = load_config(config, store).target(service)
    target.make_state_folder()
    keep_settings(target)
    if target.settings.balancer.kind == "haproxy":
        from pratique.balancer.haproxy.supervisor import run_haproxy  # noqa: PLC0415

        run_haproxy(target)
    else:
        from pratique.balancer.proxy import run_balancer  # noqa: PLC0415

        run_balancer(target)
    forget_settings(target)


COMMANDS = (status, up, down, logs, orphans, collect, balancer)
