"""Run a runbook from the command line: print its output as it runs, return its outcome as an exit status."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pratique.balancer import open_balancer
from pratique.config import Config, Target, check_name, load
from pratique.errors import Interrupted, PratiqueError
from pratique.notebook import check_parameters, describe_parameters, find_notebook, read_parameters, run_notebook
from pratique.notebook.find import known_notebooks
from pratique.report.comparison import check_comparison
from pratique.report.write import NOTEBOOK as REPORT
from pratique.runbook.common import file_names
from pratique.runbook.common.parameters import new_run_id
from pratique.runbook.engine.console import describe
from pratique.runbook.engine.journal import Journal
from pratique.runbook.engine.run import StoppedError, TerminatedError
from pratique.runbook.registry import runbook_of_notebook
from pratique.runbook.service.share_text import percents
from pratique.runbook.terminal import approval_in_terminal

__all__ = ["describe_parameters", "launch"]


def launch(
    name: str, parameters: Mapping[str, Any], *, out: Path | None = None, echo: Callable[[str], Any] = print
) -> int:
    """Run a runbook or notebook; return its exit status.

    name: of the notebook, or its path. parameters: by name, as text from the command line.
    out: where to keep the executed notebook; default: below runs/ or reports/ in the state folder, and nowhere after
        a dry run, which leaves no trace. echo: called with each line that it prints.
    Raises: UsageError before anything is started; the error that a step ended with.
    """
    values = check_parameters(name, parameters)
    stem = find_notebook(name).stem
    if "run_id" in read_parameters(name) and not values.get("run_id"):
        values["run_id"] = new_run_id(*_subject(stem, values))
    check_name("run_id", values.get("run_id", "none"))
    config = load(values.get("config") or None, store=values.get("store") or None)
    state = config.state_dir
    _preflight(stem, name, values)
    folder = state / "runs" / values["run_id"] if "run_id" in values else state / "reports"
    if values.get("dry_run"):
        with tempfile.TemporaryDirectory() as scratch:
            run_notebook(name, values, out or Path(scratch, f"{stem}.ipynb"), progress=echo)
        return 0
    if out is None:
        config.make_state_folder()
    try:
        with approval_in_terminal(folder, echo):
            kept = run_notebook(name, values, out or folder / f"{stem}.ipynb", progress=echo)
    except (KeyboardInterrupt, StoppedError) as error:
        if not Journal.in_folder(folder).lines():
            raise
        raise _stopped(error, values["run_id"], config, values.get("service")) from None
    return _print_result(folder / file_names.RESULT, kept, echo)


def _preflight(stem: str, name: str, values: Mapping[str, Any]) -> None:
    """Refuse before a kernel starts what the notebook would refuse in its first cells."""
    runbook = runbook_of_notebook(stem)
    check = runbook.preflight if runbook is not None else check_comparison if stem == REPORT else None
    if check is not None and find_notebook(name) == known_notebooks().get(stem):
        defaults = {parameter.name: parameter.default for parameter in read_parameters(name).values()}
        check({**defaults, **values})


def _stopped(error: BaseException, run_id: str, config: Config, service: str | None) -> StoppedError:
    """Return the error of a run that was stopped; of a service with the state of its traffic, read from the balancer."""
    kind = TerminatedError if isinstance(error, TerminatedError | Interrupted) else StoppedError
    what = str(error) if isinstance(error, StoppedError) else f"run {run_id!r} was {describe(error)}"
    return kind(f"{what}; {_traffic(config.target(service))}" if service else what)


def _traffic(target: Target) -> str:
    try:
        shares = open_balancer(target).weights(target.service).shares
    except PratiqueError as error:
        return f"the traffic is unknown: {error}"
    whole = [revision for revision, share in shares.items() if share == 1.0]
    return f"{whole[0]} has all of the traffic again" if whole else f"the traffic is split: {percents(shares)}"


def _subject(stem: str, values: Mapping[str, Any]) -> list[str]:
    """Return the words of a run id: subject, runbook and revision."""
    runbook = runbook_of_notebook(stem)
    word, subject = (runbook.run_id_word, runbook.subject) if runbook else (stem, "service")
    return [str(values.get(subject, "")), word, str(values.get("revision", ""))]


def _print_result(path: Path, kept: Path, echo: Callable[[str], Any]) -> int:
    """Print the outcome and return the exit status. A notebook without a result succeeded if it ran to its end."""
    if not path.exists():
        echo(f"notebook {kept}")
        return 0
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    echo(f"{result['outcome']}: {result['reason']}")
    if "report" in result:
        echo(f"report   {result['report'] or 'none'}")
    echo(f"notebook {kept}\nresult   {path}")
    return int(result["exit_status"])
