"""`pratique …`: comfort on the command line, each command a thin call into the packages."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pratique import __version__
from pratique.clock import iso
from pratique.errors import MissingError, PratiqueError, UsageError

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.judge.model import Verdict
    from pratique.store.base import Store

EPILOG = """\b
Exit status: 0 promote (or done), 1 rollback, 2 inconclusive or continue,
64 and above for wrong use or a part that failed."""


class Time(click.ParamType[datetime]):
    """A point in time on the command line: ISO 8601, UTC where no zone is given."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return an aware UTC time, or refuse the value in one line."""
        if isinstance(value, datetime):
            return value
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time: write it as 2026-11-20T14:00 (UTC) or with a zone, +01:00", param, ctx)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that every command has."""
    command = click.option("--store", metavar="PATH-or-URL", help="The store; wins over the service file.")(command)
    return click.option(
        "--config", metavar="FILE", help="The service file. Default: pratique.toml in the working folder, if any."
    )(command)


def comparison(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments of a comparison."""
    for decorate in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."),
        click.option(
            "--weight",
            type=click.FloatRange(0, 100, min_open=True, max_open=True),
            metavar="PERCENT",
            help="The canary's weight, to check its share of traffic by. Default: the ledger's weights.",
        ),
        click.option("--end", type=Time(), help="Judge up to here (exclusive). Default: all there is."),
        click.option("--start", type=Time(), help="Judge from here. Default: the canary's first window."),
        click.argument("canary"),
        click.argument("baseline"),
        click.argument("service"),
    ):
        command = decorate(command)
    return common(command)


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="pratique")
def pratique() -> None:
    """Put a new revision in front of a little traffic and say, with evidence, whether it may enter."""


@pratique.command("import", epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--service", required=True, help="The service that the lines belong to.")
@click.option("--format", "fmt", required=True, type=click.Choice(["haproxy", "combined", "jsonl"]))
@click.option("--revision", help="The revision that every line belongs to.")
@click.option(
    "--revision-from",
    metavar="FIELD[:REGEX]",
    help="The field that names the revision; REGEX's first group cuts it out.",
)
@click.option(
    "--log-format",
    metavar="FORMAT",
    help="For combined: the line as nginx's log_format or Apache's LogFormat writes it.",
)
@click.option("--rejects", metavar="FILE", help="Where lines go that cannot be read. Default: in the state folder.")
@common
def import_command(
    files: tuple[str, ...],
    service: str,
    fmt: str,
    revision: str | None,
    revision_from: str | None,
    log_format: str | None,
    rejects: str | None,
    config: str | None,
    store: str | None,
) -> None:
    """Take access logs that you already have: plain, .gz or .zst.

    \b
    haproxy   option httplog, with or without a syslog header
    combined  nginx's and Apache's combined log, and formats of your own (--log-format)
    jsonl     one JSON object a line

    Importing the same file twice changes nothing. A line that cannot be read goes to the rejects
    file with its number and the reason.
    """
    from pratique.telemetry.import_files import import_files  # noqa: PLC0415

    settings = _config(config, store)
    with _bar("import") as progress:
        summary = import_files(
            [Path(file) for file in files],
            service=service,
            fmt=fmt,
            config=settings,
            store=_store(settings),
            revision=revision,
            revision_from=revision_from,
            log_format=log_format,
            rejects=Path(rejects) if rejects else None,
            progress=progress,
        )
    click.echo(summary.to_text())


@pratique.command(epilog=EPILOG)
@comparison
def compare(
    service: str,
    baseline: str,
    canary: str,
    start: datetime | None,
    end: datetime | None,
    weight: float | None,
    as_json: bool,
    config: str | None,
    store: str | None,
) -> None:
    """Compare two revisions: print a table and the verdict."""
    from pratique.judge.text import table  # noqa: PLC0415

    settings = _config(config, store)
    verdict = _judge(settings, service, baseline, canary, start, end, weight)
    click.echo(json.dumps(verdict.to_json(), allow_nan=False) if as_json else table(verdict))
    sys.exit(verdict.exit_status)


@pratique.command(epilog=EPILOG)
@comparison
@click.option("--out", metavar="FOLDER", help="Where the report goes. Default: reports/ in the state folder.")
def report(
    service: str,
    baseline: str,
    canary: str,
    start: datetime | None,
    end: datetime | None,
    weight: float | None,
    as_json: bool,
    out: str | None,
    config: str | None,
    store: str | None,
) -> None:
    """Write the comparison as an HTML report and its JSON, through notebooks/canary_report.ipynb."""
    from pratique.report import write_report  # noqa: PLC0415

    settings = _config(config, store)
    paths = write_report(
        settings,
        service,
        baseline,
        canary,
        start=start,
        end=end,
        weight=weight,
        out_dir=Path(out) if out else None,
    )
    found = json.loads(paths.json.read_text(encoding="utf-8"))
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(f"{found['verdict']}: {found['reason']}\nreport   {paths.html}\nverdict  {paths.json}")
    sys.exit({"promote": 0, "rollback": 1}.get(found["verdict"], 2))


@pratique.command("run", epilog=EPILOG)
@click.argument("name")
@click.option(
    "-p", "--parameter", "pairs", nargs=2, multiple=True, metavar="NAME VALUE", help="A parameter of the notebook."
)
@click.option("--out", metavar="FILE", help="The executed notebook. Default: in the state folder.")
@click.option("--list", "list_parameters", is_flag=True, help="Say which parameters it takes, and stop.")
@common
def run_command(
    name: str,
    pairs: tuple[tuple[str, str], ...],
    out: str | None,
    list_parameters: bool,
    config: str | None,
    store: str | None,
) -> None:
    """Run a runbook or notebook by name (release) or path, with its parameters checked first."""
    from pratique.runbook.launcher import describe_parameters, launch  # noqa: PLC0415

    if list_parameters:
        click.echo(describe_parameters(name))
        return
    parameters: dict[str, str] = dict(pairs)
    for key, value in (("config", config), ("store", store)):
        if value is not None:
            parameters.setdefault(key, value)
    sys.exit(launch(name, parameters, out=Path(out) if out else None, echo=click.echo))


@pratique.command(epilog=EPILOG)
@click.argument("service")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array and nothing else.")
@common
def releases(service: str, as_json: bool, config: str | None, store: str | None) -> None:
    """List a service's releases from the ledger, and check the ledger's chain."""
    from pratique.ledger import open_ledger  # noqa: PLC0415
    from pratique.ledger.text import releases_table  # noqa: PLC0415

    settings = _config(config, store)
    ledger = open_ledger(settings.state_dir)
    ledger.verify()
    found = ledger.releases(service)
    if not found and not as_json:
        raise MissingError(
            f"no release of {service!r} in {ledger.path}: run one with: pratique run release -p service {service} …"
        )
    click.echo(json.dumps([release.to_json() for release in found]) if as_json else releases_table(found))


@pratique.command(epilog=EPILOG)
@click.argument("service", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array and nothing else.")
@common
def revisions(service: str | None, as_json: bool, config: str | None, store: str | None) -> None:
    """List the revisions that the store has requests of."""
    settings = _config(config, store)
    seen = _store(settings).revisions(service)
    if as_json:
        rows = [
            {
                "service": s.service,
                "revision": s.revision,
                "first": iso(s.first),
                "last": iso(s.last),
                "requests": s.requests,
            }
            for s in seen
        ]
        click.echo(json.dumps(rows))
        return
    if not seen:
        raise MissingError(
            f"store {settings.store.url!r} holds nothing{f' of {service!r}' if service else ''}: import a log first: pratique import --help"
        )
    for s in seen:
        click.echo(f"{s.service:<20} {s.revision:<30} {iso(s.first)} to {iso(s.last)}  {s.requests:>12,} requests")


@pratique.command(epilog=EPILOG)
@click.option("--listen", metavar="HOST:PORT", help="Where to take syslog over UDP; wins over the service file.")
@common
def collect(listen: str | None, config: str | None, store: str | None) -> None:
    """Receive access lines as syslog, roll them up, and write them to the store; keep what containers log."""
    from pratique.config import check_address  # noqa: PLC0415
    from pratique.telemetry.collector import run_collector  # noqa: PLC0415

    settings = _config(config, store)
    address = check_address(listen) if listen is not None else None
    run_collector(settings, _store(settings), listen=address)


@pratique.command(epilog=EPILOG)
@click.argument("service")
@common
def balancer(service: str, config: str | None, store: str | None) -> None:
    """Run the balancer of a service in the foreground: the embedded one, or HAProxy, which outlives this command."""
    target = _config(config, store).target(service)
    if target.settings.balancer.kind == "haproxy":
        from pratique.balancer.haproxy.process import run_haproxy  # noqa: PLC0415

        run_haproxy(target)
        return
    from pratique.balancer.proxy import run_balancer  # noqa: PLC0415

    run_balancer(target)


@pratique.command(epilog=EPILOG)
@click.argument("service")
@click.argument("revision")
@common
def up(service: str, revision: str, config: str | None, store: str | None) -> None:
    """Start collector, balancer and the first revision of a service, in the background."""
    from pratique.stack import start  # noqa: PLC0415

    for line in start(_config(config, store), service, revision, config_file=config, store=store):
        click.echo(line)


@pratique.command(epilog=EPILOG)
@click.argument("service")
@common
def down(service: str, config: str | None, store: str | None) -> None:
    """Stop everything of a service that `up` and the runbooks started. Data stays."""
    from pratique.stack import stop  # noqa: PLC0415

    for line in stop(_config(config, store), service):
        click.echo(line)


@pratique.command(epilog=EPILOG)
@click.argument("service")
@common
def status(service: str, config: str | None, store: str | None) -> None:
    """Say what runs, who gets the traffic, and how the collector does."""
    from pratique.stack import describe  # noqa: PLC0415

    for line in describe(_config(config, store), service):
        click.echo(line)


@pratique.command(epilog=EPILOG)
@click.argument("service")
@click.option("--remove", is_flag=True, help="Drain and stop them; without it they are only told.")
@common
def orphans(service: str, remove: bool, config: str | None, store: str | None) -> None:
    """List instances that a dead run left behind: in no pool, and of no run at work."""
    from pratique.balancer import open_balancer  # noqa: PLC0415
    from pratique.runbook.recovery import remove_orphans  # noqa: PLC0415
    from pratique.runbook.service.orphans import describe_orphans, find_orphans  # noqa: PLC0415
    from pratique.runtime import open_runtime  # noqa: PLC0415

    settings = _config(config, store)
    target = settings.target(service)
    parts = open_runtime(target), open_balancer(target)
    found = remove_orphans(target, *parts) if remove else find_orphans(target, *parts)
    for line in describe_orphans(found):
        click.echo(f"removed {line}" if remove else line)
    if not found:
        click.echo(f"no orphans of {service}")
    elif not remove:
        click.echo(f"remove them with: pratique orphans {service} --remove")


@pratique.command(epilog=EPILOG)
@click.argument("service")
@click.argument("revision", required=False)
@common
def images(service: str, revision: str | None, config: str | None, store: str | None) -> None:
    """List the revisions that the registry has, or push one: `pratique images shop r2`."""
    from pratique.release.image import list_releases, push_release  # noqa: PLC0415

    settings = _config(config, store).service(service).runtime
    if settings.kind == "process":
        raise UsageError(f"services.{service}.runtime.kind is process, which has no images: see pratique releases")
    if revision is not None:
        click.echo(f"{settings.docker.image}@{push_release(revision, settings)}")
        return
    for known in list_releases(settings):
        click.echo(known)


def _config(path: str | None, store: str | None) -> Config:
    from pratique.config import load  # noqa: PLC0415

    return load(path, store=store)


def _store(settings: Config) -> Store:
    from pratique.store import open_store  # noqa: PLC0415

    return open_store(settings.store)


def _judge(
    settings: Config,
    service: str,
    baseline: str,
    canary: str,
    start: datetime | None,
    end: datetime | None,
    weight: float | None,
) -> Verdict:
    from pratique.report.comparison import judge_stored  # noqa: PLC0415

    return judge_stored(settings, service, baseline, canary, start=start, end=end, weight=weight)


class _bar:  # noqa: N801
    """A progress bar on standard error, only for a person and only when it takes a while."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._progress: Any = None

    def __enter__(self) -> Callable[[int, int], None] | None:
        if not sys.stderr.isatty():
            return None
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import Progress  # noqa: PLC0415

        self._progress = Progress(console=Console(stderr=True), transient=True)
        self._progress.start()
        task = self._progress.add_task(self._label, total=None)
        return lambda done, total: self._progress.update(task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; every error a user can mend is one line and a status of 64 or more."""
    try:
        result = pratique.main(args=arguments, prog_name="pratique", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        _leave(error.format_message(), UsageError.exit_status, prefix="")
    except click.ClickException as error:
        hint = f": see {error.ctx.command_path} --help" if isinstance(error, click.UsageError) and error.ctx else ""
        _leave(f"{error.format_message().rstrip('.')}{hint}", UsageError.exit_status)
    except PratiqueError as error:
        _leave(str(error), error.exit_status)
    except (click.Abort, KeyboardInterrupt):
        _leave("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        if os.environ.get("PRATIQUE_DEBUG"):
            raise
        kind = type(error).__name__
        _leave(
            f"unexpected {kind}: {' '.join(str(error).split())[:300]} (PRATIQUE_DEBUG=1 shows where)",
            PratiqueError.exit_status,
        )
    sys.exit(result if isinstance(result, int) else 0)


def _leave(message: str, exit_status: int, prefix: str = "pratique: ") -> NoReturn:
    click.echo(prefix + message, err=True)
    sys.exit(exit_status)


if __name__ == "__main__":
    main()
