"""The commands of the section "Release"."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pratique.cli.colours import colour_mode, paint, paint_start
from pratique.cli.completion import complete_notebooks, complete_runs, complete_services
from pratique.cli.live_lines import LiveLines
from pratique.cli.options import (
    DONE_EPILOG,
    EPILOG,
    PATH,
    config_options,
    json_array,
    load_config,
    revision_argument,
    service_argument,
)
from pratique.errors import DataError, MissingError, UsageError

if TYPE_CHECKING:
    from pratique.config import RuntimeSettings

OUT = click.option("--out", type=PATH, metavar="FILE", help="The executed notebook. Default: in the state folder.")


def runbook_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the parameters that every runbook takes, as options."""
    for decorate in (
        config_options,
        OUT,
        click.option("--who", help="Name to record in the ledger. Default: PRATIQUE_WHO, or the login name."),
        click.option(
            "--why", help="The reason, recorded in the ledger and shown to anyone who finds the service locked."
        ),
        click.option(
            "--run-id", metavar="NAME", help="Name of the run. Reuse the name of an interrupted run to resume it."
        ),
        click.option("--dry-run", is_flag=True, help="List every effect and change nothing."),
    ):
        command = decorate(command)
    return command


@click.command(epilog=EPILOG)
@service_argument
@revision_argument()
@click.option(
    "--stages",
    metavar="PERCENTS",
    help="Canary share of each stage in percent, such as 5,25,50. Default: the service file's.",
)
@click.option(
    "--approval",
    type=click.Choice(["automatic", "ask"]),
    help="How stages are approved: automatic, or ask a person. Default: the service file's.",
)
@click.option("--approvals", metavar="STAGES", help="Stages approved in advance: all, or percentages such as 5,25.")
@click.option(
    "--baseline",
    type=click.Choice(["running", "fresh"]),
    help="Compare with the running instances or with a fresh one. Default: the service file's.",
)
@click.option(
    "--deadline-min",
    type=float,
    metavar="MINUTES",
    help="Time limit of the run. Default: the judge's deadline plus 15.",
)
@click.option(
    "--commit", metavar="HASH", help="Git commit of the revision. Default: found in git by the name of the revision."
)
@click.option("--incident", metavar="ID", help="The incident that this release fixes.")
@runbook_options
def release(out: str | None, **given: Any) -> None:
    """Release a revision as a canary: promote it, or roll it back.

    The same as `pratique run release`. If a run is interrupted, run it again with the same --run-id to resume it.
    """
    _launch("release", given, out)


@click.command(epilog=EPILOG)
@service_argument
@revision_argument(required=False)
@click.option("--incident", metavar="ID", help="The incident that this rollback ends.")
@click.option("--drill", is_flag=True, help="An exercise: it is not counted as a failure of the release.")
@runbook_options
def rollback(out: str | None, **given: Any) -> None:
    """Return all traffic to an earlier release.

    Without REVISION, the target is the release before the current one. The same as `pratique run rollback`. If a run is interrupted, run it again with the same --run-id to resume it.
    """
    _launch("rollback", given, out)


def _with_values(_: click.Context, __: click.Parameter, pairs: tuple[tuple[str, str], ...]) -> Any:
    """Refuse a parameter without a value, whose place the next option has taken."""
    for name, value in pairs:
        if value in {"-p", "--parameter"}:
            raise UsageError(f"-p {name} has no value: write -p NAME VALUE")
    return pairs


@click.command("run", epilog=EPILOG)
@click.argument("name", required=False, shell_complete=complete_notebooks)
@click.option(
    "-p",
    "--parameter",
    "pairs",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    callback=_with_values,
    help="A parameter.",
)
@OUT
@click.option("--list", "only_list", is_flag=True, help="List the parameters of NAME, or all names, and exit.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print one JSON array and nothing else.")
@config_options
def run(
    name: str | None,
    pairs: tuple[tuple[str, str], ...],
    out: str | None,
    only_list: bool,
    as_json: bool,
    config: str | None,
    store: str | None,
) -> None:
    """Run a runbook or notebook by name or path.

    Its parameters are checked before anything starts.
    """
    if only_list:
        _list_parameters(name, as_json=as_json) if name else _list_notebooks(as_json=as_json)
        return
    if as_json:
        raise UsageError("--json needs --list: the result of a run is in its result.json")
    if name is None:
        raise UsageError("the name is missing: pratique run --list prints the names of runbooks and notebooks")
    given = {"config": config, "store": store} | dict(pairs)
    _launch(name, given, out)


@click.command()
@click.argument("folder", required=False, type=PATH, default="pratique-lab")
@click.option("--copy-only", is_flag=True, help="Copy the notebooks and do not start JupyterLab.")
@config_options
def lab(folder: str, copy_only: bool, config: str | None, store: str | None) -> None:
    """Open JupyterLab on your own copies of the notebooks and runbooks.

    FOLDER gets the copies; those that you have edited stay as they are. Default: pratique-lab. Commands such as
    `pratique release` never run these copies.
    """
    from pratique.notebook.workspace import copy_notebooks  # noqa: PLC0415

    settings = load_config(config, store)
    copies = copy_notebooks(Path(folder))
    click.echo(f"{len(copies)} notebooks in {folder}")
    if copy_only:
        return
    environment = {"PRATIQUE_CONFIG": settings.file} if settings.file else {}
    environment |= {"PRATIQUE_STORE": settings.store.url} if store else {}
    words = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={Path(folder).absolute()}"]
    words += ["--allow-root"] if os.geteuid() == 0 else []
    os.execvpe(  # noqa: S606 - JupyterLab takes the place of this process
        sys.executable, [*words, "--LabApp.default_url=/lab/tree/canary_report.ipynb"], os.environ | environment
    )


@click.command(epilog=DONE_EPILOG)
@click.argument("subject", metavar="[SERVICE]", required=False, shell_complete=complete_services)
@json_array
@config_options
def runs(subject: str | None, as_json: bool, config: str | None, store: str | None) -> None:
    """List the runs of all services or of one, with their state.

    A run that works on no service is listed by its subject, such as job@nightly.

    A dead run has lost its process before it ended: the list shows the command that resumes it.
    """
    from pratique.runbook.runs import damaged_runs, list_runs  # noqa: PLC0415

    state_dir = load_config(config, store).state_dir
    found, damaged = list_runs(state_dir, subject), damaged_runs(state_dir)
    for message in damaged:
        click.echo(f"pratique: {message}", err=True)
    if as_json:
        click.echo(json.dumps([run.to_json() for run in found]))
        return
    if not found and damaged:
        sys.exit(DataError.exit_status)
    if not found:
        raise MissingError(
            f"no runs{f' of {subject!r}' if subject else ''}: start one with: pratique release SERVICE REVISION"
        )
    width = max(len(run.id) for run in found)
    for run in found:
        state = run.outcome or run.state
        click.echo(f"{run.started:%Y-%m-%d %H:%M:%SZ}  {run.id:<{width}}  {run.subject} {run.revision}  {paint(state)}")
        if run.state == "dead":
            click.echo(f"    resume it with: {run.resume_command}\n    or undo it with: pratique abort {run.id}")


@click.command(epilog=DONE_EPILOG)
@click.argument("run", metavar="RUN", shell_complete=complete_runs)
@click.argument("stage", required=False, type=float)
@click.option("--rollback", "roll_back", is_flag=True, help="Return the traffic to the baseline instead.")
@click.option("--who", help="Name to keep with the answer. Default: PRATIQUE_WHO, or the login name.")
@config_options
def approve(
    run: str, stage: float | None, roll_back: bool, who: str | None, config: str | None, store: str | None
) -> None:
    """Approve a stage of a run that asks for approval.

    STAGE is the canary's share in percent. Without it, the stage that waits now is approved.
    """
    from pratique.runbook.approve import approve as answer  # noqa: PLC0415 - the judge

    found = answer(load_config(config, store).state_dir, run, stage, roll_back=roll_back, who=who or "")
    done = "rollback requested" if roll_back else "approved" if found.was_asked else "approved in advance"
    click.echo(f"{found.run.subject} {found.run.revision}, stage {found.stage:g} %: {done}")


@click.command(epilog=DONE_EPILOG)
@click.argument("run", metavar="RUN", shell_complete=complete_runs)
@click.option("--why", default="", help="The reason, recorded in the ledger.")
@click.option("--who", default="", help="Name to record in the ledger. Default: PRATIQUE_WHO, or the login name.")
@config_options
def abort(run: str, why: str, who: str, config: str | None, store: str | None) -> None:
    """Stop a run and undo its changes.

    All traffic returns to the baseline. A run whose process is dead is undone here.
    """
    from pratique.runbook.abort import abort_run  # noqa: PLC0415 - the judge

    ended = abort_run(load_config(config, store).state_dir, run, who=who, why=why, say=click.echo)
    click.echo(f"run {ended.id} has ended: {ended.outcome}")


@click.command(epilog=DONE_EPILOG)
@service_argument
@click.option(
    "--known-by",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Compare the ledger with a file kept elsewhere: a report's JSON, a result.json, or a copy of ledger.heads.",
)
@json_array
@config_options
def releases(service: str, known_by: tuple[str, ...], as_json: bool, config: str | None, store: str | None) -> None:
    """List the releases in the ledger and verify its hash chain."""
    from pratique.ledger import open_ledger  # noqa: PLC0415
    from pratique.ledger.text import releases_table  # noqa: PLC0415

    ledger = open_ledger(load_config(config, store).state_dir)
    ledger.verify([Path(name) for name in known_by])
    found = ledger.releases(service)
    if as_json:
        click.echo(json.dumps([release.to_json() for release in found]))
        return
    if not found:
        raise MissingError(
            f"no release of {service!r} in {ledger.path}: start one with: pratique release {service} REVISION"
        )
    click.echo(releases_table(found, paint=paint))


@click.command(epilog=DONE_EPILOG)
@service_argument
@json_array
@config_options
def images(service: str, as_json: bool, config: str | None, store: str | None) -> None:
    """List the revisions whose images the registry holds."""
    from pratique.release.image import list_releases  # noqa: PLC0415

    found = list_releases(_image_settings(service, config, store))
    if as_json:
        click.echo(json.dumps([{"revision": revision} for revision in found]))
        return
    for revision in found:
        click.echo(revision)


@click.command(epilog=DONE_EPILOG)
@service_argument
@revision_argument()
@config_options
def push(service: str, revision: str, config: str | None, store: str | None) -> None:
    """Push the image of a revision to the registry."""
    from pratique.release.image import push_release  # noqa: PLC0415

    settings = _image_settings(service, config, store)
    click.echo(f"{settings.docker.image}@{push_release(revision, settings)}")


COMMANDS = (release, rollback, run, lab, runs, approve, abort, releases, images, push)


def _launch(name: str, given: Mapping[str, Any], out: str | None) -> NoReturn:
    from pratique.runbook.launcher import launch  # noqa: PLC0415 - the judge

    # missing parameters keep the notebook's default
    parameters = {key: value for key, value in given.items() if value is not None and value is not False}
    lines = LiveLines(_coloured, terminal=sys.stdout.isatty() and colour_mode() is not False)
    try:
        status = launch(name, parameters, out=Path(out) if out else None, echo=lines)
    finally:
        lines.close()
    sys.exit(status)


def _coloured(line: str) -> str:
    """Return a line in colour where standard output takes it."""
    mode = colour_mode()
    return paint_start(line) if (sys.stdout.isatty() if mode is None else mode) else line


def _list_notebooks(*, as_json: bool) -> None:
    from pratique.notebook.find import known_notebooks  # noqa: PLC0415
    from pratique.runbook.registry import runbooks  # noqa: PLC0415

    changing = {runbook.notebook for runbook in runbooks().values()}
    rows = [
        {"name": name, "kind": "runbook" if name in changing else "notebook", "path": str(path)}
        for name, path in known_notebooks().items()
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        click.echo(f"{row['name']:<{width}}  {row['kind']}")


def _list_parameters(name: str, *, as_json: bool) -> None:
    from pratique.notebook import describe_parameters, read_parameters  # noqa: PLC0415

    if as_json:
        click.echo(json.dumps([vars(parameter) for parameter in read_parameters(name).values()]))
    else:
        click.echo(describe_parameters(name))


def _image_settings(service: str, config: str | None, store: str | None) -> RuntimeSettings:
    settings = load_config(config, store).service(service).runtime
    if settings.kind == "process":
        raise UsageError(
            f"services.{service}.runtime.kind is process, which has no images: list the releases with: "
            f"pratique releases {service}"
        )
    return settings
