"""The commands `pratique job` and `pratique jobs`: run a job once, and see, schedule or install all of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from pratique.cli.colours import paint
from pratique.cli.completion import complete_jobs, complete_revisions
from pratique.cli.options import config_options, json_array, json_object, load_config
from pratique.clock import utc_now
from pratique.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.jobs.job import Job
    from pratique.outcomes import OutcomeRecord

LONGEST_LINE = 1000
JOB_EPILOG = """\b
Exit status: 0 it ended with 0 (or was started, or was not due), 1 it failed or
was stopped, 2 nothing ran or its end is not known (skipped, held back, lost),
64 and above for wrong usage or a failure to start it."""
JOBS_EPILOG = """\b
Exit status: 0 all is well, 1 a job failed or was missed, 2 a job could not be
looked at, 64 and above for wrong usage or a failure."""


@click.command("job", epilog=JOB_EPILOG)
@click.argument("name", metavar="JOB", shell_complete=complete_jobs)
@click.argument("command", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--revision", default="", shell_complete=complete_revisions, help="Run this revision. Default: the one that serves."
)
@click.option(
    "--backoff", type=click.Choice(["on", "stop", "off"]), help="Hold it back; stop also ends its run; off ends that."
)
@click.option("--no-wait", is_flag=True, help="Return when it has started.")
@click.option("--if-due", is_flag=True, help="Run it only if a due time has come that nobody began.")
@click.option("--quiet", is_flag=True, help="Print nothing when it is well.")
@click.option("--why", default="", help="The reason, kept with the run or with the backoff.")
@click.option("--who", default="", help="Name to keep. Default: PRATIQUE_WHO, or the login name.")
@json_object
@config_options
def job_command(
    name: str,
    command: tuple[str, ...],
    revision: str,
    backoff: str | None,
    no_wait: bool,
    if_due: bool,
    quiet: bool,
    why: str,
    who: str,
    as_json: bool,
    config: str | None,
    store: str | None,
) -> None:
    """Run a job once, as cron does.

    It runs with the image, environment, secrets, volumes and limits of the revision that serves now. While it runs, no second
    one begins, from this host or another one. COMMAND takes the place of the job's own command.

    \b
    pratique job nightly
    pratique job nightly --backoff on --why "release of r2"
    """
    from pratique.jobs.job import find_job  # noqa: PLC0415
    from pratique.jobs.outcome import EXIT_STATUSES, UNKNOWN  # noqa: PLC0415
    from pratique.jobs.text import outcome_line  # noqa: PLC0415
    from pratique.jobs.trigger import trigger  # noqa: PLC0415
    from pratique.ledger import current_user  # noqa: PLC0415

    settings = load_config(config, store)
    job, who = find_job(settings, name), who or current_user()
    if backoff is not None:
        if command or revision or no_wait or if_due:
            raise UsageError("--backoff runs nothing: use it without a command, --revision, --no-wait and --if-due")
        _hold_back(job, backoff, who, why, as_json)
        return
    settings.make_state_folder()
    said: list[str] = []
    say = said.append if quiet or as_json else click.echo
    signal.signal(signal.SIGTERM, _interrupted)
    record = trigger(
        job, who=who, why=why, command=command, revision=revision, wait=not no_wait, if_due=if_due, say=say
    )
    if record is None:
        if as_json:
            click.echo(json.dumps({"job": name, "outcome": None}))
        return
    status = EXIT_STATUSES.get(record.outcome, UNKNOWN)
    if as_json:
        click.echo(json.dumps(_record_json(record)))
    elif status or not quiet:
        for line in [*(said if quiet else ()), outcome_line(job.name, record)]:
            click.echo(line)
        for line in record.details.get("last_lines", ()) if status else ():  # type: ignore[union-attr]
            click.echo(f"    {line}")
    sys.exit(status)


@click.command("jobs", epilog=JOBS_EPILOG)
@click.argument("names", metavar="[JOB...]", nargs=-1, shell_complete=complete_jobs)
@click.option("--run", "running", is_flag=True, help="Run them at their times, until Ctrl-C: for a host without cron.")
@click.option("--crontab", "as_crontab", is_flag=True, help="Print the lines of a crontab that runs them.")
@click.option("--systemd", "as_systemd", is_flag=True, help="Print the units of systemd that run them.")
@json_array
@config_options
def jobs_command(
    names: tuple[str, ...],
    running: bool,
    as_crontab: bool,
    as_systemd: bool,
    as_json: bool,
    config: str | None,
    store: str | None,
) -> None:
    """List the jobs: state, last run, next due time, missed runs.

    It also records the runs that ended or were missed since somebody looked, and sends their events.

    \b
    pratique jobs
    pratique jobs --run
    pratique jobs --crontab
    """
    from pratique.jobs.install import crontab, systemd  # noqa: PLC0415
    from pratique.jobs.job import find_job  # noqa: PLC0415

    if running + as_crontab + as_systemd + as_json > 1:
        raise UsageError("--run, --crontab, --systemd and --json exclude each other: choose one")
    settings = load_config(config, store)
    found = [find_job(settings, name) for name in names or sorted(settings.jobs)]
    if not found:
        raise UsageError("the service file has no jobs: add a table [jobs.NAME]; see: pratique config --reference jobs")
    options = ["--config", str(Path(settings.file))] + (["--store", store] if store else [])
    if as_crontab or as_systemd:
        write = crontab if as_crontab else systemd
        click.echo("\n".join(write(found, _own_command(), options)))
    elif running:
        _run_scheduler(settings, found, options)
    else:
        _list(settings, found, as_json)


def _list(settings: Config, jobs: Sequence[Job], as_json: bool) -> None:
    from pratique.jobs.current_status import current_status  # noqa: PLC0415
    from pratique.jobs.text import jobs_table  # noqa: PLC0415

    settings.make_state_folder()
    found = [current_status(job) for job in jobs]
    if as_json:
        click.echo(json.dumps([status.to_json() for status in found]))
    else:
        click.echo("\n".join(jobs_table(found, utc_now(), paint=paint)))
    sys.exit(2 if any(status.unknown for status in found) else int(any(status.is_bad for status in found)))


def _hold_back(job: Job, mode: str, who: str, why: str, as_json: bool) -> None:
    from pratique.jobs.backoff import clear_backoff, set_backoff  # noqa: PLC0415
    from pratique.jobs.run import stop_running  # noqa: PLC0415
    from pratique.printable_text import printable  # noqa: PLC0415

    def say(line: str) -> None:
        if not as_json:
            click.echo(f"{job.name}: {printable(line, LONGEST_LINE)}")

    stopped = False
    if mode == "off":
        flag = clear_backoff(job)
        say(f"no longer {flag}" if flag else "was not held back")
    else:
        flag = set_backoff(job, "stop" if mode == "stop" else "on", who=who, why=why)
        say(f"{flag}: no new run begins")
    if mode == "stop":
        stopped = stop_running(job, str(flag))
        say("its run was stopped" if stopped else "it did not run")
    if as_json:
        held = {"who": flag.who, "why": flag.why, "since": flag.since} if flag and mode != "off" else None
        click.echo(json.dumps({"job": job.name, "backoff": held, "stopped": stopped}))


def _run_scheduler(settings: Config, jobs: Sequence[Job], options: Sequence[str]) -> None:
    from pratique.jobs.scheduler import Scheduler  # noqa: PLC0415

    settings.make_state_folder()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    click.echo(f"scheduling {', '.join(job.name for job in jobs)}; Ctrl-C ends it, and no run that has begun")
    Scheduler(jobs, options, click.echo).run(stopping)


def _own_command() -> list[str]:
    """Return the words that start this program from anywhere."""
    found = Path(sys.argv[0]).resolve() if Path(sys.argv[0]).name == "pratique" else None
    path = found or shutil.which("pratique")
    return [str(path)] if path and os.access(path, os.X_OK) else [sys.executable, "-m", "pratique"]


def _record_json(record: OutcomeRecord) -> dict[str, object]:
    from pratique.clock import stamp  # noqa: PLC0415

    return {
        "job": record.subject.partition("@")[2],
        "outcome": record.outcome,
        "at": stamp(record.at),
        "revision": record.revision,
        "host": record.host,
        "duration_ms": record.duration_ms,
        **record.details,
    }


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


COMMANDS = (job_command, jobs_command)
