"""What differs inside the two revisions of a comparison: one sentence, and where everything is listed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pratique.report.release_difference import difference_stem
from pratique.report.reproduce import options
from pratique.report.written_page import page_paths, reports_folder

if TYPE_CHECKING:
    from pratique.figures.panels import Panel
    from pratique.report.comparison import Comparison

BUDGET_S = 10.0
"""How long a report may wait for the sentence."""
LONGEST = 400


def content_change(comparison: Comparison, out: str = "") -> Panel:
    """Show what differs inside the two revisions in one sentence, with a link to the page of the difference, or the command that writes it.

    comparison: from `open_comparison`. out: as for `save_report`; the page is looked for there. A comparison that fails is reported in the panel, and never an error: the
    verdict does not depend on it. Raises: UsageError when `out` is neither a folder nor a page.
    """
    from pratique.figures.labels import label  # noqa: PLC0415 - plotly
    from pratique.figures.panels import Panel, unbroken  # noqa: PLC0415 - plotly

    text, command = _sentence(comparison), shlex.join(_command(comparison))
    page = _page(comparison, out)
    link = f'<p><a href="./{quote(page.name)}">The page of the difference</a></p>' if page.exists() else ""
    html = (
        f'<p class="reason">{unbroken(label(text, LONGEST))}</p>{link}'
        f"<p>Everything that differs: <code>{label(command, LONGEST)}</code></p>"
    )
    return Panel(html, f"{text}\n{command}")


def _sentence(comparison: Comparison) -> str:
    from pratique.release.difference_text import sentence  # noqa: PLC0415 - slow to load
    from pratique.release.open_difference import Asked, compare_revisions  # noqa: PLC0415 - slow to load

    question = comparison.question
    try:
        found = compare_revisions(
            comparison.config, question.service, question.baseline, question.canary, Asked(BUDGET_S)
        )
    except Exception as error:  # noqa: BLE001 - whatever an image contains, the report is written
        return f"Not compared: {error}"
    return sentence(found)


def _command(comparison: Comparison) -> list[str]:
    question = comparison.question
    config = {"config": comparison.config.file} if comparison.config.file else {}
    names = [question.service, question.baseline, question.canary]
    return ["pratique", "diff", *names, *options("--{}", config | {"out": "reports"})]


def _page(comparison: Comparison, out: str) -> Path:
    """Where the page of the difference is, if it was written beside the report."""
    question = comparison.question
    place = (Path(out) if out else reports_folder(comparison.config)).absolute()
    folder = page_paths(place, question.stem, "verdict").html.parent
    return folder / f"{difference_stem(question.service, question.baseline, question.canary)}.html"
