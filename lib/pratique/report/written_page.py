"""The files of a page: written inside the notebook that runs, or by running that notebook."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pratique.files import replace_file
from pratique.notebook.execute import Progress, run_notebook, storage_errors
from pratique.report.place import check_place, is_page

if TYPE_CHECKING:
    from pratique.config import Config


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


def page_paths(out: Path, stem: str, result: str) -> ReportPaths:
    """Return where a page is written. out: its folder, or the page itself if that ends in .html.

    stem: the names of its files in a folder, without extension. result: its name, for people. Raises: UsageError for another file.
    """
    check_place(out)
    page = out if is_page(out) else out / f"{stem}.html"
    return ReportPaths(page, page.with_suffix(".json"), result=result)


def save_page(notebook: str, paths: ReportPaths, title: str, result: Any) -> ReportPaths:
    """Write the page of the notebook that is running now, and its result as JSON; return their paths.

    Raises: UsageError when called outside a notebook; DeniedError, StorageError.
    """
    from pratique.report.capture import executed_here  # noqa: PLC0415 - only in a kernel
    from pratique.report.page import render  # noqa: PLC0415 - only in a kernel

    write_text(paths.json, json.dumps(result, indent=1, allow_nan=False) + "\n")
    write_text(paths.html, render(executed_here(notebook), title[:150]))
    return paths


def run_for_page(
    notebook: str, paths: ReportPaths, parameters: Mapping[str, Any], *, progress: Progress | None
) -> ReportPaths:
    """Write a page by running its notebook, which is kept beside it; return their paths.

    progress: called with each line that the notebook prints.
    Raises: the errors of the notebook; DeniedError, StorageError. The notebook is kept when it fails.
    """
    kept = paths.html.with_suffix(".ipynb")
    run_notebook(notebook, parameters, kept, progress=progress)
    return replace(paths, notebook=kept)


def place_for(config: Config, out_dir: Path | None) -> Path:
    """Return where a page goes, absolute: the given folder or page, or reports/ in the state folder, which is made."""
    if out_dir is None:
        config.make_state_folder()
    return (out_dir or reports_folder(config)).absolute()


def reports_folder(config: Config) -> Path:
    """Return the default folder of reports."""
    return config.state_dir / "reports"


def write_text(path: Path, text: str) -> None:
    """Write a file completely or not at all. Raises: DeniedError, StorageError."""
    with storage_errors(path):
        replace_file(path, text.encode("utf-8", "replace"))
