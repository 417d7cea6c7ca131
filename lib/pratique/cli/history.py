"""`pratique history` and `pratique overturn`: how services are delivered, and which stops were false alarms."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pratique.cli.completion import complete_runs, complete_services
from pratique.cli.options import DONE_EPILOG, PATH, Time, config_options, json_array, load_config, out_option

if TYPE_CHECKING:
    from pratique.config import Config


@click.command(epilog=DONE_EPILOG)
@click.argument("services", metavar="[SERVICE]...", nargs=-1, shell_complete=complete_services)
@click.option("--start", type=Time(), help="Start of the period. Default: 90 days before its end.")
@click.option("--end", type=Time(), help="End of the period, exclusive. Default: now.")
@click.option("--by", "step", type=click.Choice(["week", "month"]), help="A line for each of the last weeks or months.")
@click.option(
    "--last", "number", type=click.IntRange(1, 500), default=12, metavar="N", help="With --by: how many. Default: 12."
)
@click.option(
    "--repository", type=PATH, metavar="FOLDER", help="The git repository. Default: that of the service file."
)
@out_option()
@json_array
@config_options
def history(
    services: tuple[str, ...],
    start: datetime | None,
    end: datetime | None,
    step: str | None,
    number: int,
    repository: str | None,
    out: str | None,
    as_json: bool,
    config: str | None,
    store: str | None,
) -> None:
    """Show the delivery metrics of services, and what canaries caught.

    Without SERVICE: every service of the ledger. The period is compared with the one before, and a difference is marked
    only if it is more than chance.
    """
    settings = load_config(config, store)
    if out is not None:
        _write_page(settings, services, start, end, repository, out)
        return
    from pratique.delivery.history import series  # noqa: PLC0415 - scipy
    from pratique.delivery.text import history_lines, series_lines  # noqa: PLC0415
    from pratique.report.history import read_histories  # noqa: PLC0415

    found = read_histories(settings, services, start, end, repository=repository or "")
    if as_json:
        parts = [{"series": [m.to_json() for m in series(each, step, number)]} if step else {} for each in found]
        click.echo(json.dumps([each.to_json() | part for each, part in zip(found, parts, strict=True)]))
        return
    for index, each in enumerate(found):
        lines = [each.service, *series_lines(series(each, step, number))] if step else history_lines(each)
        click.echo("\n".join([""] * bool(index) + lines))


def _write_page(
    settings: Config,
    services: tuple[str, ...],
    start: datetime | None,
    end: datetime | None,
    repository: str | None,
    out: str,
) -> None:
    from pratique.report.history import write_history  # noqa: PLC0415 - papermill

    times = {"start": start.isoformat() if start else "", "end": end.isoformat() if end else ""}
    given = {"service": ",".join(services), **times, "repository": repository or ""}
    click.echo(write_history(settings, given, out_dir=Path(out), progress=lambda line: click.echo(line, err=True)))


@click.command(epilog=DONE_EPILOG)
@click.argument("run", metavar="RUN", shell_complete=complete_runs)
@click.option("--why", default="", metavar="TEXT", help="The evidence that nothing was wrong. Required.")
@click.option("--who", default="", help="Name to record in the ledger. Default: PRATIQUE_WHO, or the login name.")
@config_options
def overturn(run: str, why: str, who: str, config: str | None, store: str | None) -> None:
    """Record that a canary was stopped though nothing was wrong.

    `pratique history` then counts it as a false alarm, and not as caught.
    """
    from pratique.delivery.overturn import overturn as record  # noqa: PLC0415 - scipy
    from pratique.ledger import open_ledger  # noqa: PLC0415

    entry = record(open_ledger(load_config(config, store).state_dir), run, why, who or None)
    click.echo(f"{entry.service} {entry.revision}, run {run}: recorded as a false alarm by {entry.who}: {entry.why}")


COMMANDS = (history, overturn)
