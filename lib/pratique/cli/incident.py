"""`pratique incident`: since when a service fails, where, and which change may have caused it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from typing_extensions import override

from pratique.cli import incident_records
from pratique.cli.colours import paint_phrase, paint_start
from pratique.cli.completion import complete_services
from pratique.cli.options import PATH, Time, alpha_option, config_options, json_object, load_config, out_option
from pratique.cli.progress import progress_bar
from pratique.errors import UsageError

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.incident.model import Incident
    from pratique.report.incident_question import IncidentQuestion

INCIDENT_EPILOG = """\b
Exit status: 0 nothing is shown, 1 a release caused it, 2 anything else,
64 and above for wrong usage or a failure."""


class IncidentGroup(click.Group):
    """A group that is a command itself: a first word that is no command of the group is its argument."""

    allow_extra_args = False
    allow_interspersed_args = True

    @override
    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if not args or args[0] not in self.commands:
            return super().make_context(info_name, args, parent, **extra)
        own = click.Context(self, info_name=info_name, parent=parent)
        return self.commands[args[0]].make_context(args[0], args[1:], parent=own, **extra)

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return click.Command.parse_args(self, ctx, args)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        return click.Command.invoke(self, ctx)

    @override
    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return click.Command.collect_usage_pieces(self, ctx)


@click.group("incident", cls=IncidentGroup, epilog=INCIDENT_EPILOG, invoke_without_command=True)
@click.argument("service", required=False, shell_complete=complete_services)
@click.option(
    "--outcome",
    default="5xx",
    metavar="NAME",
    help="What went wrong: 5xx, 4xx, a code such as 503, or p95 for slower than before. Default: 5xx.",
)
@click.option("--start", type=Time(), help="Start of the range to look at. Default: two hours before its end.")
@click.option("--end", type=Time(), help="End of the range, exclusive. Default: the last window.")
@click.option("--compare-with", "before", type=Time(), help="Start of the history. Default: a day before the range.")
@click.option(
    "--changes", type=PATH, metavar="FILE", help="A JSON-lines file of changes that the ledger does not know."
)
@alpha_option("The chance of naming anything when nothing is wrong.")
@click.option(
    "--all", "every", is_flag=True, help="Look at every service of the store, in one line each; they share alpha."
)
@out_option()
@click.option(
    "--notebook", type=PATH, metavar="PATH", help="Write the notebook with its parameters filled in, for JupyterLab."
)
@json_object
@config_options
def incident(
    service: str | None,
    changes: str | None,
    every: bool,
    out: str | None,
    notebook: str | None,
    as_json: bool,
    config: str | None,
    store: str | None,
    **asked: Any,
) -> None:
    """Find since when a service fails, and why.

    It says since when, where (revision, action, code and host), and which change may have caused it. A release is named as the cause
    only if another revision served at the same moments and did better. Where nothing is shown, it says what would have been seen.

    \b
    pratique incident shop
    pratique incident shop --outcome p95 --start 2026-11-20T12:00 --end 2026-11-20T15:00
    pratique incident --all
    """
    from pratique.report.incident_question import IncidentQuestion, checked  # noqa: PLC0415

    if every and (service or out or notebook):
        raise UsageError("--all looks at every service, in one line each: leave out SERVICE, --out and --notebook")
    question = checked(IncidentQuestion(service or "", changes=changes or "", **asked))
    settings = load_config(config, store)
    if notebook is not None:
        _prepare(settings, question, notebook)
    elif every:
        _print_all(settings, question, as_json=as_json)
    else:
        _print_one(settings, question, out, as_json=as_json)


def _print_one(settings: Config, question: IncidentQuestion, out: str | None, *, as_json: bool) -> None:
    from pratique.report.incident import investigate_stored  # noqa: PLC0415 - the store's client

    with progress_bar("incident"):
        found = investigate_stored(settings, question)
    _print_lines(found.incident, as_json=as_json)
    if out is not None:
        from pratique.report.incident_page import write_incident  # noqa: PLC0415 - only here

        exact = replace(found.question, start=found.incident.start, end=found.incident.end)
        with progress_bar("page"):
            paths = write_incident(settings, exact, out_dir=Path(out))
        click.echo(str(paths), err=as_json)
    sys.exit(found.incident.exit_status)


def _print_lines(found: Incident, *, as_json: bool) -> None:
    from pratique.incident.text import summary_lines  # noqa: PLC0415 - numpy

    if as_json:
        click.echo(json.dumps(found.to_json(), allow_nan=False))
    else:
        click.echo("\n".join(map(paint_start, summary_lines(found))))


def _print_all(settings: Config, question: IncidentQuestion, *, as_json: bool) -> None:
    from pratique.incident.text import service_line  # noqa: PLC0415 - numpy
    from pratique.report.incident import investigate_all  # noqa: PLC0415 - the store's client

    with progress_bar("incident") as progress:
        found = [one.incident for one in investigate_all(settings, question, progress=progress)]
    if as_json:
        click.echo(
            json.dumps({"alpha": question.alpha, "incidents": [one.to_json() for one in found]}, allow_nan=False)
        )
    else:
        width = max((len(one.service) for one in found), default=0)
        for one in found:
            click.echo(paint_phrase(service_line(one, min(width, 30)), one.answer))
    sys.exit(worst([one.exit_status for one in found]))


def worst(statuses: Sequence[int]) -> int:
    """Return the exit status for several: a release that caused it counts most, then anything else that is shown."""
    return 1 if 1 in statuses else max(statuses, default=0)


def _prepare(settings: Config, question: IncidentQuestion, notebook: str) -> None:
    from pratique.notebook.prepare import prepare_notebook  # noqa: PLC0415 - papermill
    from pratique.report.incident_page import NOTEBOOK, incident_parameters  # noqa: PLC0415 - papermill

    written = prepare_notebook(NOTEBOOK, incident_parameters(settings, question), notebook)
    click.echo(f"wrote {written}\nopen it: jupyter lab {written}")


for command in incident_records.COMMANDS:
    incident.add_command(command)

COMMANDS = (incident,)
