"""The commands of the section "Data"."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from pratique.cli.completion import complete_services
from pratique.cli.options import EPILOG, PATH, config_options, load_config


@click.command("import", epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--service", required=True, shell_complete=complete_services, help="The service that the lines belong to."
)
@click.option(
    "--format",
    "fmt",
    required=True,
    type=click.Choice(["haproxy", "combined", "jsonl"]),
    help="The format of the files.",
)
@click.option("--revision", help="Assign every line to this revision.")
@click.option(
    "--revision-from",
    metavar="FIELD[:REGEX]",
    help="The field that names the revision; the first group of REGEX selects a part of it.",
)
@click.option(
    "--log-format",
    metavar="FORMAT",
    help="For combined: the format string, as in nginx's log_format or Apache's LogFormat.",
)
@click.option(
    "--rejects", type=PATH, metavar="FILE", help="The file for unreadable lines. Default: in the state folder."
)
@config_options
def import_command(
    files: tuple[str, ...], rejects: str | None, config: str | None, store: str | None, **options: Any
) -> None:
    """Import access logs: plain, .gz or .zst; "-" is standard input.

    \b
    haproxy   option httplog, with or without a syslog header
    combined  the combined log of nginx and Apache, or your own format (--log-format)
    jsonl     one JSON object per line

    Importing a file again changes nothing. A line that cannot be read is written to the rejects file with its number
    and the reason.
    """
    from pratique.store import open_store  # noqa: PLC0415 - deltalake
    from pratique.telemetry.import_files import import_files  # noqa: PLC0415 - pyarrow

    settings = load_config(config, store)
    settings.make_state_folder()
    with progress_bar("import") as progress:
        summary = import_files(
            [Path(file) for file in files],
            config=settings,
            store=open_store(settings.store),
            rejects=Path(rejects) if rejects else None,
            progress=progress,
            notice=lambda sentence: click.echo(sentence, err=True) if sentence else None,
            **options,
        )
    click.echo(summary.to_text())
    for warning in summary.warnings():
        click.echo(f"warning: {warning}", err=True)


@click.command(epilog=EPILOG)
@config_options
def maintain(config: str | None, store: str | None) -> None:
    """Compact the store now.

    Merges small files, applies the retention, and deletes files that no reader needs. Every write does a part of this, so
    you need the command only to free space at once.
    """
    from pratique.store import open_store  # noqa: PLC0415 - deltalake

    done = open_store(load_config(config, store).store).maintain()
    click.echo(f"merged {done.merged} files, dropped {done.dropped} beyond the retention, deleted {done.deleted}")


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show a progress bar on standard error; yield its update(done, total), or None when that is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - only for a person
    from rich.progress import Progress  # noqa: PLC0415 - only for a person

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


COMMANDS = (import_command, maintain)
