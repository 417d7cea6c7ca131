"""`pratique config`, `init` and `check`: write a service file, explain it, and check it."""

from __future__ import annotations

import click


@click.command("config")
@click.option(
    "--reference",
    "section",
    required=True,
    is_flag=False,
    flag_value="",
    metavar="[SECTION]",
    help="Print every key of the service file with its default, or those of one section.",
)
def config_command(section: str) -> None:
    """Explain the service file.

    \b
    pratique config --reference            the whole reference, a valid service file
    pratique config --reference docker     one section of it
    """
    from pratique.config.reference import reference_text  # noqa: PLC0415

    click.echo(reference_text(section or None), nl=False)


COMMANDS = (config_command,)
