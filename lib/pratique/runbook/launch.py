"""Run a runbook from the command line: its lines as they come, its outcome as an exit status."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pratique.config import check_name, load
from pratique.notebook import check_parameters, describe_parameters, find_notebook, read_parameters, run_notebook
from pratique.runbook.service.parameters import new_run_id

__all__ = ["describe_parameters", "launch"]


def launch(
    name: str, parameters: Mapping[str, Any], *, out: Path | None = None, echo: Callable[[str], Any] = print
) -> int:
    """Run a runbook or notebook; return its exit status.

    name: of the notebook, or its path. parameters: by name, text as the command line gives it.
    out: where the executed notebook is kept; default: below runs/ or reports/ in the state folder, and
        nowhere after a dry run, which leaves no trace. echo: called with each line that it prints.
    Raises: UsageError before anything is started; whatever error a step ended with.
    """
    import pratique.runbook.engine.run  # noqa: F401, PLC0415 - so that its errors come back as what they are

    values = check_parameters(name, parameters)
    stem = find_notebook(name).stem
    if "run_id" in read_parameters(name) and not values.get("run_id"):
        values["run_id"] = new_run_id(*_subject(stem, values))
    check_name("run_id", values.get("run_id", "none"))
    state = load(values.get("config") or None, store=values.get("store") or None).state_dir
    folder = state / "runs" / values["run_id"] if "run_id" in values else state / "reports"
    if values.get("dry_run"):
        with tempfile.TemporaryDirectory() as passing:
            run_notebook(name, values, out or Path(passing, f"{stem}.ipynb"), progress=echo)
        return 0
    kept = run_notebook(name, values, out or folder / f"{stem}.ipynb", progress=echo)
    return _told(folder / "result.json", kept, echo)


def _subject(stem: str, values: Mapping[str, Any]) -> list[str]:
    """What a run id is made of: service, runbook and revision; a release is what it is by itself."""
    runbook = "" if stem == "release" else stem
    return [str(values.get("service", "")), runbook, str(values.get("revision", ""))]


def _told(result: Path, kept: Path, echo: Callable[[str], Any]) -> int:
    """Say how it ended; a notebook that leaves no result has done what it should when it came to its end."""
    if not result.exists():
        echo(f"notebook {kept}")
        return 0
    said: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    echo(f"{said['outcome']}: {said['reason']}")
    echo(f"report   {said['report'] or 'none'}\nnotebook {kept}\nresult   {result}")
    return int(said["exit_status"])
