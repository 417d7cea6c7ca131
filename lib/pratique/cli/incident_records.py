"""The commands of `pratique incident` that record incidents in the ledger."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from pratique.cli.completion import complete_revisions, complete_services
from pratique.cli.options import (
    DONE_EPILOG,
    PATH,
    Time,
    config_options,
    folder_option,
    json_array,
    load_config,
    service_argument,
)
from pratique.clock import iso, utc_now
from pratique.errors import UsageError

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.ledger.incidents import IncidentRecord, Incidents

PRINTED_REJECTS = 5
DRAFT_BEFORE, DRAFT_AFTER = timedelta(hours=2), timedelta(hours=1)
"""The range of a draft around a recorded incident."""
why_option = click.option("--why", default="", metavar="TEXT", help="A reason, for the ledger.")
source_option = click.option(
    "--source", default="", metavar="NAME", help="The source of the incident, if several have the same id."
)


@click.command("open", epilog=DONE_EPILOG)
@service_argument
@click.argument("title")
@click.option("--began", type=Time(), metavar="TIME", help="When users were hit first, ISO 8601, UTC. Default: now.")
@click.option("--detected", type=Time(), metavar="TIME", help="When somebody noticed. Default: now.")
@click.option("--severity", default="", metavar="TEXT", help="How bad it is, such as SEV-1.")
@click.option("--cause", default="", metavar="REVISION", help='The revision that caused it, or "none".')
@click.option("--id", "unique", default="", metavar="ID", help="Its id in another program. Default: a new one.")
@click.option("--source", default="", metavar="NAME", help="That program. Default: pratique.")
@why_option
@config_options
def open_command(
    service: str,
    title: str,
    began: datetime | None,
    detected: datetime | None,
    severity: str,
    cause: str,
    unique: str,
    source: str,
    why: str,
    config: str | None,
    store: str | None,
) -> None:
    """Record a new incident.

    TITLE says in one sentence what users noticed. The incident gets an id, by which the other commands name it.
    """
    from pratique.errors import MissingError  # noqa: PLC0415
    from pratique.ledger.incidents import OWN  # noqa: PLC0415
    from pratique.ledger.text import incident_line  # noqa: PLC0415

    settings = load_config(config, store)
    settings.target(service).make_state_folder()
    incidents = _incidents(settings)
    now = utc_now()
    began = began or now
    if unique:
        try:
            known = incidents.find(unique, source or OWN)
        except MissingError:
            pass
        else:
            click.echo(f"known already: {incident_line(known)}")
            return
    fields: dict[str, Any] = {
        "began": began,
        "detected": detected or max(began, now),
        "severity": severity,
        "cause": cause,
    }
    _print(incidents, incidents.open(service, title, why=why, id=unique, source=source, **fields))


@click.command("cause", epilog=DONE_EPILOG)
@click.argument("incident")
@click.argument("revision", shell_complete=complete_revisions)
@source_option
@why_option
@config_options
def cause_command(incident: str, revision: str, source: str, why: str, config: str | None, store: str | None) -> None:
    """Record which revision caused an incident.

    INCIDENT is its id. REVISION is "none" when no revision caused it.
    """
    incidents = _incidents(load_config(config, store))
    _print(incidents, incidents.record(incidents.find(incident, source), "cause", why=why, cause=revision))


@click.command("restored", epilog=DONE_EPILOG)
@click.argument("incident")
@click.option("--at", type=Time(), metavar="TIME", help="When, ISO 8601, UTC. Default: now.")
@source_option
@why_option
@config_options
def restored_command(
    incident: str, at: datetime | None, source: str, why: str, config: str | None, store: str | None
) -> None:
    """Record that users are well again.

    INCIDENT is its id. The time to recovery ends here, and not when the incident is closed.
    """
    _end("restored", incident, at, source, why, load_config(config, store))


@click.command("close", epilog=DONE_EPILOG)
@click.argument("incident")
@click.option("--at", type=Time(), metavar="TIME", help="When, ISO 8601, UTC. Default: now.")
@source_option
@why_option
@config_options
def close_command(
    incident: str, at: datetime | None, source: str, why: str, config: str | None, store: str | None
) -> None:
    """Record that the work on an incident has ended.

    INCIDENT is its id.
    """
    _end("closed", incident, at, source, why, load_config(config, store))


@click.command("list", epilog=DONE_EPILOG)
@click.argument("service", required=False, shell_complete=complete_services)
@json_array
@config_options
def list_command(service: str | None, as_json: bool, config: str | None, store: str | None) -> None:
    """List the recorded incidents, oldest first."""
    from pratique.ledger.text import incident_line  # noqa: PLC0415

    found = _incidents(load_config(config, store)).all(service)
    if as_json:
        click.echo(json.dumps([record.to_json() for record in found]))
        return
    for record in found:
        click.echo(incident_line(record))
    if not found:
        click.echo(f"no incidents{f' of {service}' if service else ''} are recorded: pratique incident open --help")


@click.command("import", epilog=DONE_EPILOG)
@click.argument("file", type=PATH)
@click.option("--service", required=True, shell_complete=complete_services, help="The service of the incidents.")
@click.option(
    "--preset",
    type=click.Choice(["auto", "plain", "pagerduty", "opsgenie", "alertmanager", "github", "gitlab"]),
    help="The program that wrote the file. Default: that of the service file, else auto.",
)
@click.option(
    "--rejects", type=PATH, metavar="FILE", help="The file for unreadable records. Default: in the state folder."
)
@config_options
def import_command(
    file: str, service: str, preset: str | None, rejects: str | None, config: str | None, store: str | None
) -> None:
    """Record the incidents of another program.

    FILE is JSON, JSON lines or CSV. Importing a file again records only new incidents, and when known ones ended. Records of people stay.
    """
    from pratique.errors import StorageError  # noqa: PLC0415
    from pratique.incident.import_incidents import import_incidents, keep_rejects  # noqa: PLC0415
    from pratique.ledger import open_ledger  # noqa: PLC0415

    settings = load_config(config, store)
    target = settings.target(service)
    target.make_state_folder()
    path = Path(file)
    found = import_incidents(
        path, open_ledger(settings.state_dir), service, target.settings.incidents, preset=preset or ""
    )
    click.echo(found.to_text())
    if not found.rejects:
        return
    kept = Path(rejects) if rejects else settings.state_dir / "rejects" / f"incidents-{service}.jsonl"
    try:
        keep_rejects(kept, path, found.rejects)
    except OSError as error:
        raise StorageError(f"rejects file {str(kept)!r} cannot be written: {error.strerror}") from error
    for reject in found.rejects[:PRINTED_REJECTS]:
        click.echo(f"warning: record {reject.line}: {reject.reason}", err=True)
    click.echo(f"warning: {len(found.rejects):,} rejected records are in {kept}", err=True)


@click.command("draft", epilog=DONE_EPILOG)
@service_argument
@click.option(
    "--id", "unique", default="", metavar="ID", help="The recorded incident; its times are the default range."
)
@source_option
@click.option(
    "--outcome", default="5xx", metavar="NAME", help="What went wrong, as for pratique incident. Default: 5xx."
)
@click.option("--start", type=Time(), metavar="TIME", help="Start of the range. Default: two hours before it began.")
@click.option("--end", type=Time(), metavar="TIME", help="End of the range. Default: an hour after users were well.")
@click.option("--changes", default="", type=PATH, metavar="FILE", help="A JSON-lines file of further changes.")
@folder_option("The folder of the draft. Default: reports/ in the state folder.")
@config_options
def draft_command(
    service: str,
    unique: str,
    source: str,
    outcome: str,
    start: datetime | None,
    end: datetime | None,
    changes: str,
    out: str | None,
    config: str | None,
    store: str | None,
) -> None:
    """Write a draft of the review after an incident.

    Markdown and HTML: timeline, impact in requests, evidence, what ended it, and everything that nobody knows yet.
    """
    from pratique.report.incident import investigate_stored  # noqa: PLC0415 - the store's client
    from pratique.report.incident_draft import save_draft  # noqa: PLC0415
    from pratique.report.incident_question import IncidentQuestion  # noqa: PLC0415
    from pratique.report.written_page import reports_folder  # noqa: PLC0415

    settings = load_config(config, store)
    record = _incidents(settings).find(unique, source) if unique else None
    if record is not None:
        if record.service != service:
            raise UsageError(
                f"incident {record.id!r} is of service {record.service!r}, not of {service!r:.80}: name that one"
            )
        start = start or record.began - DRAFT_BEFORE
        end = end or (record.restored + DRAFT_AFTER if record.restored else None)
    question = IncidentQuestion(service, outcome, start, end, None, changes)
    found = investigate_stored(settings, question)
    if not out:
        settings.make_state_folder()
    folder = Path(out) if out else reports_folder(settings)
    for path in save_draft(found.incident, found.changes, folder, question.stem, record):
        click.echo(f"wrote {path}")


def _end(
    event: Literal["restored", "closed"], unique: str, at: datetime | None, source: str, why: str, config: Config
) -> None:
    incidents = _incidents(config)
    record = incidents.find(unique, source)
    if event == "restored" and at is None and record.closed is not None:
        raise UsageError(
            f"incident {record.id!r} was closed {iso(record.closed)}, and users were well again by then: say when with --at"
        )
    fields: dict[str, Any] = {event: at or utc_now()}
    _print(incidents, incidents.record(record, event, why=why, **fields))


def _incidents(config: Config) -> Incidents:
    from pratique.ledger import open_ledger  # noqa: PLC0415
    from pratique.ledger.incidents import Incidents  # noqa: PLC0415

    return Incidents(open_ledger(config.state_dir))


def _print(incidents: Incidents, record: IncidentRecord) -> None:
    from pratique.ledger.text import incident_line  # noqa: PLC0415

    click.echo(incident_line(record))
    note = incidents.note_on_cause(record)
    if note:
        click.echo(note, err=True)


COMMANDS = (open_command, cause_command, restored_command, close_command, list_command, import_command, draft_command)
