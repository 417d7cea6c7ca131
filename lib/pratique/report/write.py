"""Write the report of a comparison to disk: each file completely or not at all."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pratique.notebook.execute import Progress
from pratique.report.comparison import Comparison, check_comparison, completed
from pratique.report.question import Question
from pratique.report.record import record_page
from pratique.report.written_page import ReportPaths, page_paths, place_for, reports_folder, run_for_page, save_page

if TYPE_CHECKING:
    from pratique.config import Config

NOTEBOOK = "canary_report"


def save_report(comparison: Comparison, out: str = "", *, record: bool = True) -> ReportPaths:
    """Write the HTML page and the verdict as JSON; call it inside canary_report.ipynb, whichever program runs that.

    out: a folder, or a file that ends in .html; default reports/ in the state folder. record: whether the ledger, if there is one, records it.
    Raises: UsageError when called outside a notebook; DeniedError, StorageError.
    """
    verdict = comparison.verdict
    place = Path(out) if out else reports_folder(comparison.config)
    paths = page_paths(place.absolute(), comparison.question.stem, "verdict")
    save_page(NOTEBOOK, paths, f"{verdict.service} {verdict.canary}: {verdict.verdict}", verdict.to_json())
    if record:
        record_page(comparison.config, NOTEBOOK, paths, verdict.service, revision=verdict.canary)
    return paths


def write_report(
    config: Config,
    service: str,
    baseline: str | None,
    canary: str | None,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    weight: float | None = None,
    out_dir: Path | None = None,
    record: bool = True,
    progress: Progress | None = None,
) -> ReportPaths:
    """Write the HTML page and the verdict as JSON by running canary_report.ipynb, which is kept beside them.

    config: the settings, from `load_config`. service, baseline, canary: as in the store; without a revision, that of
    the ledger's last release, or else the one that appeared last. start, end: UTC, [start, end); default: from the
    canary's first window to the last. weight: the canary's constant weight in percent, instead of the ledger's weights.
    out_dir: a folder, or a file that ends in .html; default reports/ in the state folder. record: whether the ledger, if
    there is one, records it. progress: called with each line that the notebook prints.
    Raises: the errors of `open_comparison`, before a kernel starts; DeniedError, StorageError. The notebook is kept when
        it fails.
    """
    question = completed(Question(service, baseline or "", canary or "", start, end, weight), config)
    place = place_for(config, out_dir)
    parameters = _parameters(config, question, place) | {"record": record}
    paths = page_paths(place, question.stem, "verdict")
    check_comparison(parameters)
    return run_for_page(NOTEBOOK, paths, parameters, progress=progress)


def _parameters(config: Config, question: Question, place: Path) -> dict[str, Any]:
    return {
        "service": question.service,
        "baseline": question.baseline,
        "canary": question.canary,
        "start": question.start.isoformat() if question.start else "",
        "end": question.end.isoformat() if question.end else "",
        "weight": question.weight or 0.0,
        "config": config.file,
        "store": config.store.url,
        "out": str(place),
    }
