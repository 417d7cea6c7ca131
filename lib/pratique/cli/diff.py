"""`pratique diff`: what differs between two releases of a service, or between two saved images or directories."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pratique.cli.completion import complete_services
from pratique.cli.options import PATH, config_options, json_object, load_config, out_option, revision_argument
from pratique.cli.progress import progress_bar
from pratique.errors import UsageError

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.release.difference import Difference
    from pratique.release.sides import Side

DIFF_EPILOG = """\b
Exit status: 0 done. With --exit-code: 0 the same, 1 different, 2 no difference found, but not everything was read.
64 and above for wrong usage or a failure."""


@click.command("diff", epilog=DIFF_EPILOG)
@click.argument("service", shell_complete=complete_services)
@revision_argument("before", required=False)
@revision_argument("after", required=False)
@click.option("--exit-code", is_flag=True, help="Exit with 1 if they differ, and with 2 if that is not known.")
@click.option("--sbom", type=PATH, metavar="FILE", help="Write the packages of one side as CycloneDX JSON.")
@click.option(
    "--sbom-of",
    type=click.Choice(["before", "after"]),
    default="after",
    help="The side that --sbom writes. Default: after.",
)
@click.option(
    "--budget",
    type=float,
    default=60.0,
    metavar="SECONDS",
    help="Time limit for reading both; unread parts are listed. Default: 60.",
)
@out_option()
@json_object
@config_options
def diff(
    service: str,
    before: str | None,
    after: str | None,
    exit_code: bool,
    sbom: str | None,
    sbom_of: str,
    budget: float,
    out: str | None,
    as_json: bool,
    config: str | None,
    store: str | None,
) -> None:
    """Show what differs between two releases.

    Base, runtimes, packages (downgrades first), configuration, layers and files. Nothing is extracted or started, and no secret is
    shown. Without revisions: the one that serves, and the one that served before. Two paths need no engine and no service file:
    saved images (docker save, or an OCI layout) or directories.

    \b
    pratique diff shop r1 r2
    pratique diff shop
    pratique diff old.tar new.tar --exit-code
    """
    found = _compare(service, before, after, budget, config, store, everything=sbom is not None)
    if sbom is not None:
        _write_sbom(found.before if sbom_of == "before" else found.after, Path(sbom))
    _print(found, as_json=as_json)
    if out is not None:
        _write_page(found, Path(out), load_config(config, store), budget, as_json=as_json)
    sys.exit(found.exit_status if exit_code else 0)


def _compare(
    service: str,
    before: str | None,
    after: str | None,
    budget: float,
    config: str | None,
    store: str | None,
    *,
    everything: bool,
) -> Difference:
    from pratique.release.open_difference import Asked, compare_paths, compare_revisions  # noqa: PLC0415 - slow to load

    with progress_bar("diff") as bar:
        progress = None if bar is None else lambda _, done, total: bar(done, total or done + 1)
        asked = Asked(budget, everything, progress)
        paths = _paths(service, before, after)
        if paths is not None:
            return compare_paths(*paths, asked)
        settings = load_config(config, store)
        if service not in settings.services and Path(service).exists():
            raise UsageError(f"no service {service!r}: if it is a directory or a saved image, write ./{service}")
        return compare_revisions(settings, service, before or "", after or "", asked)


def _paths(service: str, before: str | None, after: str | None) -> tuple[str, str] | None:
    """Return the two paths that the words mean, and None if they mean revisions. Raises: UsageError."""
    from pratique.release.open_difference import is_path  # noqa: PLC0415 - slow to load

    words = [word for word in (service, before, after) if word]
    paths = [word for word in words if is_path(word)]
    if not paths:
        return None
    if len(words) == 2:
        return words[0], words[1]
    if len(words) == 3 and service not in paths:
        return words[1], words[2]
    raise UsageError(
        f"only one path, {paths[0]!r}: give two saved images or directories, or a service with two revisions"
    )


def _write_sbom(side: Side, path: Path) -> None:
    from pratique.files import replace_file  # noqa: PLC0415 - only here
    from pratique.notebook.execute import storage_errors  # noqa: PLC0415 - only here
    from pratique.release.sbom import sbom  # noqa: PLC0415 - slow to load

    with storage_errors(path):
        replace_file(path, json.dumps(sbom(side), indent=1) + "\n")


def _print(found: Difference, *, as_json: bool) -> None:
    from pratique.release.difference_json import difference_json  # noqa: PLC0415 - with it
    from pratique.release.difference_text import summary_lines  # noqa: PLC0415 - with it

    if as_json:
        click.echo(json.dumps(difference_json(found), allow_nan=False))
        return
    for line in summary_lines(found):
        click.echo(click.style(line, fg="yellow") if "▼" in line and line.startswith(" ") else line)


def _write_page(found: Difference, out: Path, settings: Config, budget: float, *, as_json: bool) -> None:
    from pratique.report.release_difference import write_difference  # noqa: PLC0415 - only here

    with progress_bar("page"):
        paths = write_difference(settings, found, out, budget_s=budget)
    click.echo(str(paths), err=as_json)


COMMANDS = (diff,)
