"""The commands of the section "Data"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pratique.cli.change import change_commands
from pratique.cli.completion import complete_services
from pratique.cli.options import DONE_EPILOG, PATH, config_options, load_config
from pratique.cli.progress import progress_bar
from pratique.cli.store import store_commands
from pratique.errors import MissingError

PATTERN = frozenset("*?[")
"""Characters of a pattern of files, which is expanded later."""


@click.command("import", epilog=DONE_EPILOG)
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--service", required=True, shell_complete=complete_services, help="The service that the lines belong to."
)
@click.option(
    "--format",
    "fmt",
    metavar="NAME",
    help="The format of the files, see above. Default: that of the service file, else auto.",
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
    help="The format string from the configuration of nginx, Apache, Tomcat, HAProxy, Envoy or gunicorn; a whole "
    "directive may be pasted.",
)
@click.option(
    "--field",
    "field_names",
    multiple=True,
    metavar="MEANING=NAME[:UNIT|:REGEX]",
    help="The field or column that tells a value: time, status, method, path, request, duration, host, revision, action, "
    "service; of rows that count requests: n, duration_sum. A dot reaches into nested JSON (path=request.uri). A duration "
    "has a unit, s, ms, us or ns: duration=took:s, or duration=%D:ms for Tomcat before 10.1. The first group of REGEX "
    "selects a part of any other value: 'status=result:/([0-9]+)$'. Repeat it for each field.",
)
@click.option(
    "--timezone",
    metavar="ZONE",
    help="The zone of times that tell none, such as HAProxy's: Europe/Vienna. Default: the "
    "zone of the line's syslog header, that of the service file, else UTC with a warning.",
)
@click.option(
    "--interval",
    type=click.IntRange(1, 86_400),
    metavar="SECONDS",
    help="How long the time is that each row of counts covers. Default: by the times of the rows.",
)
@click.option("--preview", is_flag=True, help="Show the first five lines as requests, and store nothing.")
@click.option(
    "--rejects", type=PATH, metavar="FILE", help="The file for unreadable lines. Default: in the state folder."
)
@config_options
def import_command(
    files: tuple[str, ...], rejects: str | None, config: str | None, store: str | None, preview: bool, **options: Any
) -> None:
    """Import logs or tables: plain, .gz, .zst; "-" is standard input.

    \b
    auto            find the format by the first lines, and say which it is
    combined        nginx and Apache; your own format with --log-format
    vhost_combined, tomcat, gunicorn, uvicorn, iis
    nginx-json, ingress-nginx
    haproxy         option httplog, httplog clf, or JSON; your own with --log-format
    caddy, traefik, envoy, istio, alb, heroku
    jsonl, logfmt   any names: one JSON object, or key=value pairs, per line
    csv, parquet    a row for each request, or counts of requests by time (column n)

    Lines may have a syslog header in front, or stand in Docker's json-file, CRI's or journald's form.

    FILES may be patterns, such as 'logs/*.parquet'. Importing a file again changes nothing. A line that cannot be read is written to the rejects file with its number
    and the reason. The summary says which value was read from which field, and in which unit.
    """
    settings = load_config(config, store)
    options["fmt"] = options["fmt"] or settings.service(options["service"]).imports.format
    paths = [Path(file) for file in files]
    for path in paths:
        if str(path) != "-" and not PATTERN & set(str(path)) and not path.exists():
            raise MissingError(f"file {str(path)!r} does not exist: check its path")
    from pratique.store import open_store, require_writable  # noqa: PLC0415 - deltalake
    from pratique.telemetry.import_files import import_files  # noqa: PLC0415 - pyarrow
    from pratique.telemetry.preview import preview_files  # noqa: PLC0415 - polars

    if preview:
        click.echo(preview_files(paths, config=settings, **options))
        return
    require_writable(settings.store)
    settings.make_state_folder()
    with progress_bar("import") as progress:
        summary = import_files(
            paths,
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


COMMANDS = (import_command, change_commands, store_commands)
