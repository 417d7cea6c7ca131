"""`pratique doctor`: problems on the hosts, why they matter, and the command to type."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pratique.cli.colours import paint_start
from pratique.cli.completion import complete_checks
from pratique.cli.options import PATH, config_options, json_object, load_config
from pratique.errors import UsageError

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.doctor.finding import Risk
    from pratique.doctor.model import Examination

DOCTOR_EPILOG = """\b
Exit status: 0 nothing was found, 1 something was found, 2 nothing was found, but not everything could be looked at,
64 and above for wrong usage or a failure. Only checks of the risk of --fail-on and above count."""
RISKS = ("critical", "high", "medium", "low")


@click.command("doctor", epilog=DOCTOR_EPILOG)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="ENGINE",
    help="Examine this host only: local, unix:///PATH or ssh://USER@HOST. Repeatable. Default: those of the service file.",
)
@click.option(
    "--only", multiple=True, metavar="CHECK", shell_complete=complete_checks, help="Run this check only. Repeatable."
)
@click.option(
    "--skip", multiple=True, metavar="CHECK", shell_complete=complete_checks, help="Leave this check out. Repeatable."
)
@click.option(
    "--fail-on",
    type=click.Choice(RISKS),
    help="The least risk that counts for the exit status. Default: that of the service file, or medium.",
)
@click.option(
    "--compare-with",
    default="",
    metavar="RUN",
    help="An earlier run to compare with. Default: the last one of each host.",
)
@click.option("--all", "everything", is_flag=True, help="List every finding, not only the first of each kind.")
@click.option("--sarif", "as_sarif", is_flag=True, help="Print the findings as SARIF 2.1.0.")
@click.option(
    "--out",
    type=PATH,
    metavar="FILE",
    help="Also write a page with pictures into this file, by the notebook; JSON, SARIF or text if its name ends with .json, .sarif or .txt.",
)
@click.option("--no-record", is_flag=True, help="Do not record the result, and do not notify.")
@json_object
@config_options
def doctor(
    hosts: tuple[str, ...], only: tuple[str, ...], skip: tuple[str, ...], fail_on: Risk | None, compare_with: str, everything: bool,
    as_sarif: bool, out: str | None, no_record: bool, as_json: bool, config: str | None, store: str | None,
) -> None:  # fmt: skip
    """Find problems on the hosts that run containers.

    Each has its risk, why it matters, and the command to type. Hosts are asked at the same time, by the API of their engines and by one script
    that changes nothing. What cannot be read is shown as not looked at, and never counts as good. The result is recorded, and the next run shows what is new and what is mended.

    \b
    pratique doctor
    pratique doctor --host ssh://root@web1 --only log-unbounded --all
    pratique doctor --fail-on high --out hosts.html
    """
    from pratique.doctor.text import examination_lines  # noqa: PLC0415 - docker
    from pratique.runbook.doctor.examination import (  # noqa: PLC0415
        examine_hosts,
        new_examination_id,
        record_examination,
    )

    if as_json and as_sarif:
        raise UsageError("--json and --sarif exclude each other: choose one")
    settings = load_config(config, store)
    if out is not None and Path(out).suffix.casefold() == ".html":
        _write_page(
            settings,
            Path(out),
            as_json=as_json,
            as_sarif=as_sarif,
            hosts=hosts,
            only=only,
            skip=skip,
            fail_on=fail_on or "",
            compare_with=compare_with,
        )
    found = examine_hosts(settings, hosts=hosts, only=only, skip=skip, fail_on=fail_on, compare_with=compare_with)
    found = replace(found, run="" if no_record else new_examination_id())
    if out is not None:
        _write(Path(out), found)
    if as_json or as_sarif:
        click.echo(_data(found, sarif=as_sarif))
    else:
        for line in examination_lines(found, everything=everything):
            click.echo(paint_start(line))
    if found.run:
        # after the result is shown: a full disk, which is a finding, keeps nothing
        sys.stdout.flush()
        record_examination(settings, found, found.run)
    sys.exit(found.exit_status)


def _write_page(settings: Config, out: Path, *, as_json: bool, as_sarif: bool, **parameters: Any) -> NoReturn:
    """Run the notebook, which writes the page, and exit with its status."""
    from pratique.runbook.launcher import launch  # noqa: PLC0415 - papermill

    if as_sarif:
        raise UsageError("a page and SARIF are two runs: write SARIF with --out FILE.sarif")
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in parameters.items()}
    values = {**given, "out": str(out.absolute()), "config": settings.file, "store": settings.store.url}
    status = launch("doctor", values, echo=partial(click.echo, err=as_json))
    if as_json:
        click.echo(out.with_suffix(".json").read_text(encoding="utf-8"), nl=False)
    sys.exit(status)


def _write(out: Path, found: Examination) -> None:
    from pratique.doctor.text import examination_lines  # noqa: PLC0415 - with the rest
    from pratique.report.written_page import write_text  # noqa: PLC0415 - only here

    suffix = out.suffix.casefold()
    text = (
        "\n".join(examination_lines(found, everything=True))
        if suffix not in {".json", ".sarif"}
        else _data(found, sarif=suffix == ".sarif")
    )
    write_text(out, f"{text}\n")


def _data(found: Examination, *, sarif: bool) -> str:
    from pratique.doctor.as_json import examination_json  # noqa: PLC0415 - with the rest
    from pratique.doctor.sarif import examination_sarif  # noqa: PLC0415

    return json.dumps(examination_sarif(found) if sarif else examination_json(found), allow_nan=False)


COMMANDS = (doctor,)
