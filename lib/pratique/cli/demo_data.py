"""`pratique demo-data`: prepared data to practise on."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from pratique.cli.options import DONE_EPILOG, PATH
from pratique.cli.progress import progress_bar


@click.group("demo-data", epilog=DONE_EPILOG)
def demo_data_commands() -> None:
    """Write prepared data to practise on."""


@demo_data_commands.command("incident", epilog=DONE_EPILOG)
@click.argument("folder", default="incident-demo", type=PATH)
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, metavar="N", help="Another day with the same story. Default: 1."
)
def incident_command(folder: str, seed: int) -> None:
    """Write a store with an incident in it.

    A day of three services, from a fixed seed: one release is guilty, one is innocent, and one failure has no release near.
    FOLDER gets a service file, a store and a ledger; it is incident-demo by default. Nothing is started.

    \b
    pratique demo-data incident
    cd incident-demo
    pratique incident shop
    """
    from pratique.demo.incident import write_demo  # noqa: PLC0415 - pyarrow

    with progress_bar("demo data") as progress:
        path = write_demo(Path(folder), seed=seed, progress=progress)
    click.echo(f"wrote {path}\nnext: cd {shlex.quote(str(path.parent))} && pratique incident --all")


COMMANDS = (demo_data_commands,)
