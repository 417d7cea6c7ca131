"""`pratique watch`: look at services once, or again and again, and write the page of an incident when one is shown."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pratique.cli.colours import paint_phrase
from pratique.cli.completion import complete_services
from pratique.cli.incident import INCIDENT_EPILOG, worst
from pratique.cli.options import Minutes, alpha_option, config_options, folder_option, load_config
from pratique.errors import BusyError, MissingError, UnavailableError, UsageError

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.incident.model import Incident
    from pratique.report.incident_question import IncidentQuestion

PASSING = (UnavailableError, BusyError, MissingError)
"""Errors that may be over at the next look: a store that restarts, or has no requests yet."""


@click.command("watch", epilog=INCIDENT_EPILOG)
@click.argument("services", metavar="SERVICE...", nargs=-1, required=True, shell_complete=complete_services)
@click.option("--outcome", default="5xx", metavar="NAME", help="What to look for, as for `incident`. Default: 5xx.")
@click.option(
    "--every", type=Minutes(), metavar="TIME", help="Look again so often, until Ctrl-C: 1m, 30s. Default: once."
)
@alpha_option("The chance of naming anything at one look when nothing is wrong; the services share it.")
@folder_option("The folder for pages. Default: reports/ in the state folder.")
@config_options
def watch(
    services: tuple[str, ...],
    outcome: str,
    every: float | None,
    alpha: float,
    out: str | None,
    config: str | None,
    store: str | None,
) -> None:
    """Write a page when an incident begins.

    It looks at the last two hours of each service. When a rise is shown, it runs notebooks/incident.ipynb with the parameters filled
    in, and prints where the page is. An incident has one page, which is written again when the answer changes or the incident ends.

    \b
    pratique watch shop search               once, for a scheduler
    pratique watch shop search --every 1m    until it is interrupted
    """
    from pratique.check.problems import notify_problems  # noqa: PLC0415
    from pratique.notify import send_waiting  # noqa: PLC0415
    from pratique.report.incident_question import IncidentQuestion, checked  # noqa: PLC0415

    settings = load_config(config, store)
    questions = [checked(IncidentQuestion(service, outcome, alpha=alpha / len(services))) for service in services]
    folder = Path(out) if out else None
    notify_problems(settings)
    if every is None:
        statuses = [_look_at(settings, question, folder) for question in questions]
        sys.exit(next((status for status in statuses if status >= UsageError.exit_status), worst(statuses)))
    while True:
        began = time.monotonic()
        for question in questions:
            _look_at(settings, question, folder)
        notify_problems(settings)
        send_waiting(settings.state_dir)
        time.sleep(max(0.0, 60 * every - (time.monotonic() - began)))


def _look_at(settings: Config, question: IncidentQuestion, folder: Path | None) -> int:
    """Look at a service once, print the answer, and return the exit status: of an error that passes, too."""
    from pratique.incident.text import service_line  # noqa: PLC0415 - numpy
    from pratique.report.incident_watch import look  # noqa: PLC0415 - the store's client

    try:
        found = look(settings, question, out_dir=folder)
    except PASSING as error:
        click.echo(f"{question.service}: {error}", err=True)
        return error.exit_status
    if found.written or found.page is None:
        click.echo(paint_phrase(service_line(found.incident), found.incident.answer))
    if found.page is not None:
        _notify(settings, found.incident, found.page)
        click.echo(f"page  {found.page}{'' if found.written else ' (as before)'}")
    return found.incident.exit_status


def _notify(settings: Config, incident: Incident, page: Path) -> None:
    """Tell that an incident began: once, since it has one page."""
    from pratique.incident.text import place_name, service_line  # noqa: PLC0415 - numpy
    from pratique.notify import Event, notify  # noqa: PLC0415

    event = Event(
        kind="incident.onset",
        subject=incident.service,
        key=str(page),
        risk="high",
        what=f"{service_line(incident)}. {incident.sentence}",
        where=", ".join(map(place_name, incident.places.found[:3])) if incident.places else "",
        since=incident.onset.best if incident.onset else None,
        command=incident.undo or settings.command("incident", incident.service),
        report=str(page),
    )
    notify(settings, settings.state_dir, event)


COMMANDS = (watch,)
