"""`pratique config`, `init` and `check`: write a service file, explain it, and check it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from pratique.cli.completion import complete_services
from pratique.cli.findings import print_findings
from pratique.cli.options import config_options, json_array
from pratique.errors import UsageError


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
    """Explain the keys of the service file.

    \b
    pratique config --reference            the whole reference, a valid service file
    pratique config --reference docker     one section of it
    """
    from pratique.config.reference import reference_text  # noqa: PLC0415

    click.echo(reference_text(section or None), nl=False)


@click.command("init")
@click.argument("service", required=False)
@click.option("--runtime", type=click.Choice(["process", "docker"]), help="How to run releases. Default: process.")
@click.option(
    "--command", metavar="WORDS", help="The command that starts an instance; {port}, {dir} and {python} are replaced."
)
@click.option(
    "--releases", metavar="FOLDER", help="The folder with one subfolder for each revision. Default: releases."
)
@click.option("--image", metavar="REPOSITORY", help="The repository of the images, without a tag.")
@click.option("--port", type=int, help="The port that the container listens on. Default: 8000.")
@click.option(
    "--readiness-path", metavar="PATH", help="The path that answers 200 when an instance is ready. Default: /healthz."
)
@click.option("--balancer", type=click.Choice(["embedded", "haproxy"]), help="The balancer to use. Default: embedded.")
@click.option("--listen", metavar="HOST:PORT", help="The address that users connect to. Default: 127.0.0.1:8080.")
@click.option("--control", hidden=True, expose_value=False, help="Accepted and ignored: control needs no address.")
@click.option("--collector", metavar="HOST:PORT", help="The collector's address. Default: 127.0.0.1:5514.")
@click.option(
    "--requests-per-minute",
    type=float,
    metavar="NUMBER",
    help="Requests a minute of the service, to print how long its releases will take.",
)
@click.option("--config", metavar="FILE", help="The file to write. Default: pratique.toml.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def init_command(
    service: str | None, config: str | None, force: bool, requests_per_minute: float | None, **given: Any
) -> None:
    """Write a first service file.

    In a terminal, it asks for each option that you leave out. Elsewhere, the defaults apply, and --command or --image is needed.

    \b
    pratique init shop --command '{python} {dir}/app.py {port}'
    pratique init shop --runtime docker --image registry.example:5000/shop
    """
    from pratique.config import DEFAULT_FILE  # noqa: PLC0415
    from pratique.config.first_file import FirstFile, write_first_file  # noqa: PLC0415

    path = Path(config or DEFAULT_FILE)
    if path.exists() and not force:
        raise UsageError(f"{str(path)!r} already exists: choose another --config, or replace it with --force")
    chosen = {key: value for key, value in given.items() if value is not None}
    if sys.stdin.isatty():
        service, chosen = _ask(service, chosen)
    if service is None:
        raise UsageError("the name of the service is missing: pratique init SERVICE")
    if isinstance(chosen.get("command"), str):
        chosen["command"] = _words(chosen["command"])
    choices = FirstFile(service, **chosen)
    write_first_file(path, choices, force=force)
    click.echo(f"wrote {path}\nnext: pratique check")
    click.echo(_expected(path, service, requests_per_minute))


def _expected(path: Path, service: str, requests_per_minute: float | None) -> str:
    """How long a release will take, or how to find out."""
    if requests_per_minute is None:
        return f"how long a release takes: pratique plan {service} --requests-per-minute NUMBER"
    from pratique.config import load  # noqa: PLC0415
    from pratique.planning.plan import plan  # noqa: PLC0415 - the judge
    from pratique.planning.text import conclusion  # noqa: PLC0415 - the judge

    found = plan(load(str(path)), service, requests_per_minute=requests_per_minute, factors=(), proposing=False)
    more = f"pratique plan {service} --requests-per-minute {requests_per_minute:g}"
    return conclusion(found) + ("" if found.arrives else f"\nto find settings that arrive in time: {more}")


def _ask(service: str | None, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Ask for every option that is missing."""
    from pratique.config.first_file import FirstFile  # noqa: PLC0415

    usual, answers = FirstFile(""), dict(given)

    def ask(key: str, question: str, default: Any = None, **options: Any) -> Any:
        if key not in answers:
            answers[key] = click.prompt(
                question, default=getattr(usual, key) if default is None else default, **options
            )
        return answers[key]

    service = service or click.prompt("Name of the service", type=str)
    if ask("runtime", "How to run releases", type=click.Choice(["process", "docker"])) == "process":
        ask("releases", "Folder with one subfolder for each revision")
        ask("command", "Command that starts an instance", default="{python} {dir}/app.py {port}")
    else:
        ask("image", "Repository of the images, without a tag")
        ask("port", "Port that the container listens on", type=int)
    ask("readiness_path", "Path that answers 200 when an instance is ready")
    ask("balancer", "Balancer", type=click.Choice(["embedded", "haproxy"]))
    ask("listen", "Address that users connect to")
    ask("collector", "Address of the collector")
    return str(service), answers


def _words(command: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError(f"--command {command[:80]!r} cannot be split into words: {error}") from error


@click.command("check")
@click.argument("service", required=False, shell_complete=complete_services)
@json_array
@config_options
def check_command(service: str | None, as_json: bool, config: str | None, store: str | None) -> None:
    """Check a service file and everything it refers to.

    Run it before `pratique up`. It prints one line for each program, engine, address, secret,
    certificate and folder, and changes nothing.

    \b
    Exit status: 0 no problem, 1 problems were found, 78 the service file is invalid.
    """
    from pratique.check import checks_of  # noqa: PLC0415
    from pratique.config import load  # noqa: PLC0415

    print_findings(checks_of(load(config, store=store), service), as_json=as_json)


COMMANDS = (config_command, init_command, check_command)
