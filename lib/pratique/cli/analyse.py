"""The commands of the section "Analyse"."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pratique.cli.colours import paint_start
from pratique.cli.completion import complete_services
from pratique.cli.options import (
    DONE_EPILOG,
    EPILOG,
    Minutes,
    Time,
    config_options,
    json_array,
    json_object,
    load_config,
    out_option,
    revision_argument,
    service_argument,
)
from pratique.cli.progress import progress_bar
from pratique.clock import iso
from pratique.errors import MissingError, UsageError

PLAN_EPILOG = """\b
Exit status: 0 in time, 2 not in time with these settings,
64 and above for wrong usage or a failure."""


def comparison(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments of a comparison."""
    for decorate in (
        config_options,
        json_object,
        click.option(
            "--weight",
            type=click.FloatRange(0, 100, min_open=True, max_open=True),
            metavar="PERCENT",
            help="Expected canary share in percent, for the traffic-mismatch check. Default: the ledger's weights.",
        ),
        click.option("--end", type=Time(), help="End of the range, exclusive. Default: the last window."),
        click.option("--start", type=Time(), help="Start of the range. Default: the canary's first window."),
        revision_argument("canary", required=False),
        revision_argument("baseline", required=False),
        service_argument,
    ):
        command = decorate(command)
    return command


MOST_LISTED = 200
"""Most revisions that a terminal is given; a wrong --revision-from makes a revision of every line."""


@click.command(epilog=EPILOG)
@comparison
def compare(as_json: bool, config: str | None, store: str | None, **question: Any) -> None:
    """Compare two revisions: print a table and the verdict.

    Without revisions, it takes those of the service's last release, or else the two that appeared last.
    """
    from pratique.judge.text import table  # noqa: PLC0415
    from pratique.report.comparison import judge_stored  # noqa: PLC0415

    verdict = judge_stored(load_config(config, store), **question)
    if as_json:
        click.echo(json.dumps(verdict.to_json(), allow_nan=False))
    else:
        click.echo("\n".join(map(paint_start, table(verdict).splitlines())))
    sys.exit(verdict.exit_status)


@click.command(epilog=EPILOG)
@comparison
@out_option("Where the report goes.", "reports/ in the state folder")
def report(as_json: bool, out: str | None, config: str | None, store: str | None, **question: Any) -> None:
    """Write a comparison as an HTML report and JSON.

    Without revisions, it takes those of the service's last release, or else the two that appeared last.
    It runs notebooks/canary_report.ipynb and keeps the executed notebook beside them.
    """
    from pratique.judge.text import headline  # noqa: PLC0415
    from pratique.report import write_report  # noqa: PLC0415

    paths = write_report(load_config(config, store), **question, out_dir=Path(out) if out else None)
    found = json.loads(paths.json.read_text(encoding="utf-8"))
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(paint_start(f"{headline(found)}\nreport   {paths.html}\nverdict  {paths.json}"))
    sys.exit({"promote": 0, "rollback": 1}.get(found["verdict"], 2))


@click.command(epilog=DONE_EPILOG)
@click.argument("service", required=False, shell_complete=complete_services)
@json_array
@config_options
def revisions(service: str | None, as_json: bool, config: str | None, store: str | None) -> None:
    """List the revisions that have requests in the store."""
    from pratique.store import empty_hint, open_store  # noqa: PLC0415 - deltalake

    settings = load_config(config, store)
    seen = open_store(settings.store).revisions(service)
    if as_json:
        click.echo(json.dumps([asdict(s) | {"first": iso(s.first), "last": iso(s.last)} for s in seen]))
        return
    if not seen:
        of = f" of {service!r}" if service else ""
        raise MissingError(f"store {settings.store.url!r} has no requests{of}: {empty_hint(settings.store, service)}")
    if len(seen) > MOST_LISTED:
        click.echo(f"… and {len(seen) - MOST_LISTED:,} older ones: --json lists them all", err=True)
    # those that appeared last, service by service
    for s in sorted(seen[-MOST_LISTED:], key=lambda one: one.service):
        click.echo(f"{s.service:<20} {s.revision:<30} {iso(s.first)} to {iso(s.last)}  {s.requests:>12,} requests")


@click.command(epilog=PLAN_EPILOG)
@service_argument
@click.option(
    "--requests-per-minute",
    type=float,
    metavar="NUMBER",
    help="Requests a minute of the whole service. Default: everything is measured in the store.",
)
@click.option(
    "--error-rate",
    "error_rates",
    multiple=True,
    metavar="[GUARD=]SHARE",
    help="Share of requests with an error, such as 0.005 (of 5xx) or 4xx=0.02. Repeatable; with --requests-per-minute.",
)
@click.option("--dispersion", type=float, metavar="NUMBER", help="Overdispersion, from 1; with --requests-per-minute.")
@click.option("--stages", metavar="PERCENTS", help="Stages in percent, such as 5,25,50. Default: the service file's.")
@click.option(
    "--within", type=Minutes(), metavar="TIME", help="Wished time until promotion: 45m, 2h. Default: the deadline."
)
@json_object
@config_options
def plan(
    service: str,
    error_rates: tuple[str, ...],
    stages: str | None,
    within: float | None,
    as_json: bool,
    config: str | None,
    store: str | None,
    requests_per_minute: float | None,
    dispersion: float | None,
) -> None:
    """Forecast when a good release is promoted and a bad one is found.

    It measures the traffic in the store, or takes the numbers you give. If a good release is not promoted in time, it
    proposes settings that can be pasted into the service file.

    \b
    pratique plan shop
    pratique plan shop --within 45m
    pratique plan shop --requests-per-minute 1200 --error-rate 0.005
    """
    settings, shares = load_config(config, store), dict(map(_error_rate, error_rates))
    percents = [_number("--stages", part) for part in stages.split(",")] if stages else ()
    if requests_per_minute is None:
        from pratique.planning.seen import revisions_seen  # noqa: PLC0415
        from pratique.store import open_store  # noqa: PLC0415 - deltalake

        revisions_seen(open_store(settings.store), service)
    from pratique.planning.plan import plan as plan_release  # noqa: PLC0415 - the judge, once nothing is refused
    from pratique.planning.text import plan_text  # noqa: PLC0415

    with progress_bar("plan") as progress:
        found = plan_release(
            settings,
            service,
            error_rates=shares,
            stages=percents,
            within_min=within,
            progress=progress,
            requests_per_minute=requests_per_minute,
            dispersion=dispersion,
        )
    click.echo(json.dumps(found.to_json(), allow_nan=False) if as_json else plan_text(found))
    sys.exit(0 if found.arrives else 2)


def _error_rate(text: str) -> tuple[str, float]:
    guard, equals, share = text.rpartition("=")
    return (guard if equals else "5xx"), _number("--error-rate", share)


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{option} needs a number, not {text[:40]!r}") from None


COMMANDS = (compare, report, revisions, plan)
