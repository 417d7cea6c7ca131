"""Fill in the parameters of a notebook, to be opened and run by a person."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pratique.notebook.execute import storage_errors, verbatim
from pratique.notebook.find import find_notebook
from pratique.notebook.parameters import check_parameters
from pratique.notebook.quick_import import without_iri_parsers


def prepare_notebook(name_or_path: str | Path, parameters: Mapping[str, Any], output: str | Path) -> Path:
    """Write a copy of a notebook with its parameters filled in, without running it, and return its path.

    name_or_path, parameters: as for `run_notebook`. output: path of the copy.
    Raises: UsageError for a wrong parameter; DeniedError and StorageError when the copy cannot be written.
    """
    source = find_notebook(name_or_path)
    values = check_parameters(source, parameters)
    target = Path(output).absolute()
    with without_iri_parsers():
        from papermill import execute_notebook  # noqa: PLC0415 - slow

    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        execute_notebook(
            verbatim(source),
            verbatim(target),
            values,
            prepare_only=True,
            kernel_name="python3",
            language="python",
            progress_bar=False,
        )
    return target
