"""`pratique store`: set up and check a store, copy one into another, and compact it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from pratique.cli.completion import complete_services
from pratique.cli.findings import CHECK_EPILOG, print_findings
from pratique.cli.options import DONE_EPILOG, PATH, Time, config_option, config_options, json_array, load_config
from pratique.cli.progress import progress_bar
from pratique.cli.store_setup import setup_command
from pratique.clock import iso
from pratique.errors import StorageError, UnavailableError, UsageError

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.store import Seen, Store
    from pratique.store.copy import CopySummary, Selection


@click.group("store", epilog=DONE_EPILOG)
def store_commands() -> None:
    """Set up, check, copy or compact the store."""


store_commands.add_command(setup_command)


@store_commands.command("check", epilog=CHECK_EPILOG)
@json_array
@config_options
def check_command(as_json: bool, config: str | None, store: str | None) -> None:
    """Check the store.

    It prints one line for each thing that a store needs: that it answers and can be read and written, that its files are all there,
    space, and clocks. It changes nothing. `pratique check` does the same among its other checks.
    """
    from pratique.check.store import store_checks  # noqa: PLC0415 - deltalake

    print_findings(list(store_checks(load_config(config, store))), as_json=as_json)


@store_commands.command("copy", epilog=DONE_EPILOG)
@click.argument("source", metavar="FROM", type=PATH)
@click.argument("target", metavar="TO", type=PATH)
@click.option(
    "--service",
    "services",
    multiple=True,
    shell_complete=complete_services,
    help="Copy only this service. Repeat it for several.",
)
@click.option(
    "--since", type=Time(), metavar="TIME", help="Copy only windows from this time on. UTC unless it has a zone."
)
@click.option(
    "--until", type=Time(), metavar="TIME", help="Copy only windows before this time. UTC unless it has a zone."
)
@click.option("--dry-run", is_flag=True, help="Show what would be copied, and write nothing.")
@config_option
def copy_command(
    source: str,
    target: str,
    services: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    dry_run: bool,
    config: str | None,
) -> None:
    """Copy one store into another.

    FROM and TO are folders or URLs, as `store.url` has them. The one that is the store of the service file is opened with its settings.

    A row of TO with the same window, service, revision, action, code, host and source is replaced; other rows stay. When the
    copy is interrupted, run the same command again: it continues. At the end it compares the counts of both stores.

    \b
    pratique store copy .pratique/store s3://metrics/pratique --dry-run
    pratique store copy .pratique/store s3://metrics/pratique --service shop --since 2026-11-01
    """
    from pratique.store import is_scraped  # noqa: PLC0415 - pyarrow
    from pratique.store.copy import Selection, copy_store  # noqa: PLC0415 - pyarrow
    from pratique.store.copy_position import CopyPosition  # noqa: PLC0415 - pyarrow
    from pratique.store.location import one_address  # noqa: PLC0415 - deltalake

    settings = load_config(config, None)
    addresses = one_address(source), one_address(target)
    if addresses[0] == addresses[1]:
        raise UsageError("FROM and TO are the same store: name another one")
    stores = _open(source, settings), _open(target, settings)
    for store, role in zip(stores, ("FROM", "TO"), strict=True):
        if is_scraped(store):
            raise UsageError(
                f"{role} is filled by another program, and may know less than a store does: it is read as it is, and not copied"
            )
    selection = Selection(services, since, until)
    if dry_run:
        _show_plan(*stores, selection)
        return
    settings.make_state_folder()
    position = CopyPosition.of(settings.state_dir, _asked(*addresses, selection))
    try:
        with progress_bar("copy") as progress:
            summary = copy_store(*stores, selection, position=position, progress=progress)
    except (UnavailableError, StorageError) as error:
        raise type(error)(f"{error}: run the same command again to continue") from error
    except KeyboardInterrupt:
        click.echo("stopped: run the same command again to continue", err=True)
        raise
    _show_summary(summary)


@store_commands.command("maintain", epilog=DONE_EPILOG)
@config_options
def maintain_command(config: str | None, store: str | None) -> None:
    """Compact the store now.

    Merges small files, applies the retention, and deletes files that no reader needs. Every write does a part of this, so
    you need the command only to free space at once.
    """
    from pratique.store import open_store  # noqa: PLC0415 - deltalake

    done = open_store(load_config(config, store).store).maintain()
    click.echo(f"merged {done.merged} files, dropped {done.dropped} beyond the retention, deleted {done.deleted}")


def _open(address: str, config: Config) -> Store:
    """Open a store by its address; the store of the service file with its settings."""
    from pratique.store import open_store  # noqa: PLC0415 - deltalake
    from pratique.store.location import one_address  # noqa: PLC0415 - deltalake

    return open_store(config.store if one_address(address) == one_address(config.store.url) else address)


def _asked(source: str, target: str, selection: Selection) -> dict[str, str]:
    """The words by which a copy is recognised when it is run again."""
    return {
        "from": source,
        "to": target,
        "services": "\n".join(sorted(selection.services)),
        "since": selection.since.isoformat() if selection.since else "",
        "until": selection.until.isoformat() if selection.until else "",
    }


def _show_plan(source: Store, target: Store, selection: Selection) -> None:
    from pratique.store.copy import what_to_copy  # noqa: PLC0415 - pyarrow

    there = {(seen.service, seen.revision): seen.requests for seen in selection.seen(target)}
    found = what_to_copy(source, selection)
    for seen in found:
        held = there.get((seen.service, seen.revision), 0)
        click.echo(f"{_in_words(seen)}" + (f"; TO has {held:,} of this revision" if held else ""))
    click.echo(f"would copy {_total(found)}; nothing was written")


def _show_summary(summary: CopySummary) -> None:
    for seen in summary.revisions:
        click.echo(_in_words(seen))
    written = f"{summary.rows:,} rows with {summary.requests:,} requests written"
    rest = ", the rest by an earlier run" if summary.resumed else ""
    click.echo(f"copied {_total(summary.revisions)} ({written}{rest}); the counts of both stores agree")
    if summary.beyond:
        click.echo(f"TO also has {summary.beyond:,} requests of these revisions that FROM does not have")


def _in_words(seen: Seen) -> str:
    return f"{seen.service}  {seen.revision[:80]}  {iso(seen.first)} to {iso(seen.last)}  {seen.requests:,} requests"


def _total(found: Sequence[Seen]) -> str:
    services = len({seen.service for seen in found})
    requests = sum(seen.requests for seen in found)
    return (
        f"{requests:,} requests of {len(found)} revision{'s' if len(found) > 1 else ''} "
        f"and {services} service{'s' if services > 1 else ''}"
    )
