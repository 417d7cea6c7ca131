"""`pratique schedule`: print the files that make a scheduler run something."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

import click

from pratique.cli.options import config_option, folder_option, load_config, service_argument
from pratique.errors import UsageError


@click.group()
def schedule() -> None:
    """Print the files that make a scheduler run a report."""


@schedule.command("report")
@service_argument
@click.option("--every", default="1h", show_default=True, metavar="PERIOD", help="How often: 15m, 1h, 6h, 1d, 1w.")
@click.option(
    "--at", default="", metavar="HH:MM", help="The time of day, UTC, for 1d and 1w. Default: between 02:00 and 03:00."
)
@click.option(
    "--as",
    "system",
    required=True,
    metavar="SYSTEM",
    help="cron, systemd, airflow, github, gitlab, jenkins or kubernetes.",
)
@click.option(
    "--fail-on",
    default="rollback",
    show_default=True,
    type=click.Choice(["rollback", "inconclusive", "finding", "never"]),
    help="The verdict from which on the run counts as failed.",
)
@click.option("--reports", default="reports", show_default=True, metavar="FOLDER", help="The folder for the reports.")
@click.option("--image", default="", metavar="IMAGE", help="The image of the suite, for systems that start containers.")
@folder_option("Write the files into this folder. Default: print them.")
@config_option
def schedule_report(
    service: str,
    every: str,
    at: str,
    system: str,
    fail_on: str,
    reports: str,
    image: str,
    out: str | None,
    config: str | None,
) -> None:
    """Print the files that make a scheduler run the canary report of SERVICE.

    Each run compares the revisions of the service's last release. A verdict from --fail-on on, and a report that could not be
    made, are a failed run of that scheduler.

    \b
    pratique schedule report shop --every 1h --as systemd --out /etc/systemd/system
    pratique schedule report shop --every 1d --at 06:30 --as github > .github/workflows/report.yml
    """
    from pratique.config import check_name  # noqa: PLC0415 - pydantic
    from pratique.schedules import Period, ScheduledReport, schedule_files  # noqa: PLC0415 - jinja2
    from pratique.schedules.report import store_secrets  # noqa: PLC0415

    settings = load_config(config, None)
    if not settings.file:
        raise UsageError(
            "a scheduled report needs a service file: write one with pratique init, or name it with --config"
        )
    file = Path(settings.file).absolute()
    report = ScheduledReport(
        check_name("service", service),
        Period.parse(every, at=at, name=service),
        folder=str(file.parent),
        config=file.name,
        program=str(Path(sys.executable).with_name("pratique")),
        fail_on="" if fail_on == "never" else fail_on,
        out=reports,
        secrets=store_secrets(settings.store),
        image=image,
        user=getpass.getuser(),
    )
    _give(schedule_files(system, report), out)


def _give(files: dict[str, str], out: str | None) -> None:
    """Print the files, each under its place when there are several, or write them into a folder."""
    if out is None:
        for place, text in files.items():
            click.echo(f"# ----- {place}\n{text}" if len(files) > 1 else text, nl=False)
        return
    from pratique.report.written_page import write_text  # noqa: PLC0415

    for place, text in files.items():
        path = Path(out, Path(place).name)
        write_text(path, text)
        click.echo(f"wrote {path}")


COMMANDS = (schedule,)
