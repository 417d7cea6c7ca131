"""The commands `pratique change`: record changes that the ledger does not know, and list them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import click

from pratique.cli.completion import complete_services
from pratique.cli.options import DONE_EPILOG, Time, config_options, json_array, load_config
from pratique.clock import iso, utc_now
from pratique.errors import UsageError

if TYPE_CHECKING:
    from pratique.incident.foreign_change import ForeignChange

COMMAND_LINE = "command line"
"""The source of a change that a person reported."""


@click.group("change", epilog=DONE_EPILOG)
def change_commands() -> None:
    """Record changes that were made elsewhere.

    Flags, migrations, deployments of other teams. An incident is compared with these changes as with the releases of the ledger.
    """


@change_commands.command("add", epilog=DONE_EPILOG)
@click.argument("text")
@click.option(
    "--service",
    "services",
    multiple=True,
    shell_complete=complete_services,
    help="The service that was changed. Repeat it for several.",
)
@click.option("--all-services", is_flag=True, help="It concerns every service.")
@click.option("--at", type=Time(), metavar="TIME", help="When it was changed, ISO 8601, UTC. Default: now.")
@click.option("--kind", default="", metavar="KIND", help="What it is, such as flag or migration. Default: change.")
@click.option("--who", default="", metavar="NAME", help="Who changed it. Default: the current user.")
@click.option("--revision", default="", metavar="REVISION", help="The revision that it concerns, if one.")
@click.option("--id", "unique", default="", metavar="ID", help="Its id. A change with the same id is kept once.")
@config_options
def add(
    text: str,
    services: tuple[str, ...],
    all_services: bool,
    at: datetime | None,
    kind: str,
    who: str,
    revision: str,
    unique: str,
    config: str | None,
    store: str | None,
) -> None:
    """Keep a change, with TEXT in one sentence.

    \b
    pratique change add "flag checkout_v2 on" --service shop --at 2026-11-20T14:00
    """
    from pratique.incident.foreign_change import ALL, foreign_change  # noqa: PLC0415
    from pratique.incident.kept_changes import KeptChanges  # noqa: PLC0415
    from pratique.ledger import current_user  # noqa: PLC0415

    if bool(services) == all_services:
        raise UsageError("say which services were changed: give --service once or more, or --all-services")
    settings = load_config(config, store)
    reported = {
        "time": (at or utc_now()).isoformat(),
        "services": [ALL] if all_services else list(services),
        "kind": kind,
        "revision": revision,
        "who": who or current_user(),
        "why": text,
        "id": unique,
    }
    try:
        change = foreign_change(reported, source=COMMAND_LINE)
    except ValueError as error:
        raise UsageError(str(error).partition("; for example")[0]) from error
    if not change.why:
        raise UsageError("TEXT has no readable text: describe the change in one sentence")
    settings.make_state_folder()
    new = KeptChanges(settings.state_dir).add([change])
    click.echo(f"{'kept' if new else 'known already'}: {_sentence(change)}")
    unknown = [name for name in change.services if name not in (ALL, *settings.services)]
    if unknown and settings.services:
        click.echo(
            f"note: the service file has no service {unknown[0]!r}: the change counts as another team's", err=True
        )


@change_commands.command("list", epilog=DONE_EPILOG)
@click.option("--service", shell_complete=complete_services, help="Only changes of this service.")
@click.option("--since", type=Time(), metavar="TIME", help="Only changes from this time on, ISO 8601, UTC.")
@json_array
@config_options
def list_command(
    service: str | None, since: datetime | None, as_json: bool, config: str | None, store: str | None
) -> None:
    """List the changes that people and webhooks reported, oldest first."""
    from pratique.incident.foreign_change import ALL  # noqa: PLC0415
    from pratique.incident.kept_changes import KeptChanges  # noqa: PLC0415

    kept = KeptChanges(load_config(config, store).state_dir)
    reported, damaged = kept.read()
    found = sorted(
        (
            change
            for change in reported
            if (since is None or change.time >= since) and (service is None or {service, ALL} & set(change.services))
        ),
        key=lambda change: change.time,
    )
    if as_json:
        click.echo(json.dumps([change.to_json() for change in found]))
    for change in found if not as_json else ():
        click.echo(_sentence(change))
    if not found and not as_json:
        click.echo(f"no changes{f' of {service}' if service else ''} were reported: pratique change add --help")
    if damaged:
        click.echo(f"note: {damaged:,} lines of {str(kept.path)!r} cannot be read and are left out", err=True)


def _sentence(change: ForeignChange) -> str:
    parts = [iso(change.time), ", ".join(change.services).replace("*", "all services"), change.kind, change.revision]
    return "  ".join([*filter(None, parts), f"{change.why or '-'}  (by {change.who or change.source})"])
