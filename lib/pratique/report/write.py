"""Reports on disk: each file whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pratique.files import replace_file
from pratique.notebook.execute import Progress, run_notebook, storage
from pratique.report.comparison import Comparison, Question

if TYPE_CHECKING:
    from pratique.config import Config

NOTEBOOK = "canary_report"


@dataclass(frozen=True)
class ReportPaths:
    """Where a report is: the page, the verdict's JSON, and the executed notebook where the runner keeps it."""

    html: Path
    json: Path
    notebook: Path | None = None

    def __str__(self) -> str:
        return f"report   {self.html}\nverdict  {self.json}"


def save_report(comparison: Comparison, out: str = "") -> ReportPaths:
    """Write the page and the verdict's JSON from inside the notebook, whatever runs it.

    out: folder; default reports/ in the state folder.
    Raises: DeniedError, StorageError; UsageError outside of a notebook.
    """
    from pratique.report.capture import executed_here  # noqa: PLC0415 - only in a kernel
    from pratique.report.page import render  # noqa: PLC0415 - only in a kernel

    verdict = comparison.verdict
    folder = Path(out) if out else reports_folder(comparison.config)
    paths = _paths(folder.absolute(), comparison.question)
    title = f"{verdict.service} {verdict.canary}: {verdict.verdict}"[:150]
    _write(paths.json, json.dumps(verdict.to_json(), indent=1, allow_nan=False) + "\n")
    _write(paths.html, render(executed_here(NOTEBOOK), title))
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
    """Write a comparison's page and JSON by running the notebook, which is kept beside them, also when it fails.

    start, end: UTC, [start, end); default: the canary's time. weight: the canary's in percent, instead of
    the ledger's. out_dir: default reports/ in the state folder.
    Raises: what the notebook raises (MissingError, UsageError …), as it was; DeniedError, StorageError.
    """
    question = Question(service, baseline, canary, start, end, weight)
    folder = (out_dir or reports_folder(config)).absolute()
    paths = _paths(folder, question)
    notebook = folder / f"{question.stem}.ipynb"
    run_notebook(NOTEBOOK, _parameters(config, question, folder), notebook, progress=progress)
    return ReportPaths(paths.html, paths.json, notebook)


def reports_folder(config: Config) -> Path:
    """Where reports go when nobody says where."""
    return config.state_dir / "reports"


def _write(path: Path, text: str) -> None:
    """Raises: DeniedError, StorageError."""
    with storage(path):
        replace_file(path, text.encode("utf-8", "replace"), mode=0o644)


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
