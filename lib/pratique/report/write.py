"""Write a report to disk: each file completely or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pratique.files import replace_file
from pratique.notebook.execute import Progress, run_notebook, storage_errors
from pratique.report.comparison import Comparison, check_comparison
from pratique.report.question import Question

if TYPE_CHECKING:
    from pratique.config import Config

NOTEBOOK = "canary_report"


@dataclass(frozen=True)
class ReportPaths:
    """The files of a report: the page, the result as JSON, and the executed notebook when it was kept.

    result: the name of the result, for people.
    """

    html: Path
    json: Path
    notebook: Path | None = None
    result: str = "verdict"

    def __str__(self) -> str:
        return f"report   {self.html}\n{self.result:<8} {self.json}"


def save_report(comparison: Comparison, out: str = "") -> ReportPaths:
    """Write the HTML page and the verdict as JSON; call it inside canary_report.ipynb, whichever program runs that.

    out: folder; default reports/ in the state folder.
    Raises: UsageError when called outside a notebook; DeniedError, StorageError.
    """
    from pratique.report.capture import executed_here  # noqa: PLC0415 - only in a kernel
    from pratique.report.page import render  # noqa: PLC0415 - only in a kernel

    verdict = comparison.verdict
    folder = Path(out) if out else reports_folder(comparison.config)
    paths = _paths(folder.absolute(), comparison.question)
    title = f"{verdict.service} {verdict.canary}: {verdict.verdict}"[:150]
    write_text(paths.json, json.dumps(verdict.to_json(), indent=1, allow_nan=False) + "\n")
    write_text(paths.html, render(executed_here(NOTEBOOK), title))
    return paths


def write_report(
    config: Config,
    service: str,
    baseline: str,
    canary: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    weight: float | None = None,
    out_dir: Path | None = None,
    progress: Progress | None = None,
) -> ReportPaths:
    """Write the HTML page and the verdict as JSON by running canary_report.ipynb, which is kept beside them.

    config: the settings, from `load_config`. service, baseline, canary: as in the store. start, end: UTC, [start, end);
    default: from the canary's first window to the last. weight: the canary's constant weight in percent, instead of
    the ledger's weights. out_dir: default reports/ in the state folder. progress: called with each line that the
    notebook prints.
    Raises: the errors of `open_comparison`, before a kernel starts; DeniedError, StorageError. The notebook is kept when
        it fails.
    """
    if out_dir is None:
        config.make_state_folder()
    question = Question(service, baseline, canary, start, end, weight)
    folder = (out_dir or reports_folder(config)).absolute()
    paths = _paths(folder, question)
    notebook = folder / f"{question.stem}.ipynb"
    parameters = _parameters(config, question, folder)
    check_comparison(parameters)
    run_notebook(NOTEBOOK, parameters, notebook, progress=progress)
    return ReportPaths(paths.html, paths.json, notebook)


def reports_folder(config: Config) -> Path:
    """Return the default folder of reports."""
    return config.state_dir / "reports"


def write_text(path: Path, text: str) -> None:
    """Write a file completely or not at all. Raises: DeniedError, StorageError."""
    with storage_errors(path):
        replace_file(path, text.encode("utf-8", "replace"))


def _paths(folder: Path, question: Question) -> ReportPaths:
    return ReportPaths(folder / f"{question.stem}.html", folder / f"{question.stem}.json")


def _parameters(config: Config, question: Question, folder: Path) -> Mapping[str, Any]:
    return {
        "service": question.service,
        "baseline": question.baseline,
        "canary": question.canary,
        "start": question.start.isoformat() if question.start else "",
        "end": question.end.isoformat() if question.end else "",
        "weight": question.weight or 0.0,
        "config": config.file,
        "store": config.store.url,
        "out": str(folder),
    }
