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
    EPILOG,
    PATH,
    Time,
    config_options,
    json_array,
    json_object,
    load_config,
    revision_argument,
    service_argument,
)
from pratique.clock import iso
from pratique.errors import MissingError


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
        revision_argument("canary"),
        revision_argument("baseline"),
        service_argument,
    ):
        command = decorate(command)
    return command


@click.command(epilog=EPILOG)
@comparison
def compare(as_json: bool, config: str | None, store: str | None, **question: Any) -> None:
    """Compare two revisions: print a table and the verdict."""
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
@click.option(
    "--out",
    type=PATH,
    metavar="FOLDER",
    help="The folder for the report. Default: reports/ in the state folder.",
)
def report(as_json: bool, out: str | None, config: str | None, store: str | None, **question: Any) -> None:
    """Write a comparison as an HTML report and JSON.

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


@click.command(epilog=EPILOG)
@click.argument("service", required=False, shell_complete=complete_services)
@json_array
@config_options
def revisions(service: str | None, as_json: bool, config: str | None, store: str | None) -> None:
    """List the revisions that have requests in the store."""
    from pratique.store import open_store  # noqa: PLC0415 - deltalake

    settings = load_config(config, store)
    seen = open_store(settings.store).revisions(service)
    if as_json:
        click.echo(json.dumps([asdict(s) | {"first": iso(s.first), "last": iso(s.last)} for s in seen]))
        return
    if not seen:
        of = f" of {service!r}" if service else ""
        raise MissingError(
            f"store {settings.store.url!r} has no requests{of}: import a log first: pratique import --help"
        )
    for s in seen:
        click.echo(f"{s.service:<20} {s.revision:<30} {iso(s.first)} to {iso(s.last)}  {s.requests:>12,} requests")


COMMANDS = (compare, report, revisions)
