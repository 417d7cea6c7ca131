"""Rebuild the notebook that is running now, with the outputs that it has produced so far.

A kernel does not know the file of its notebook, and papermill, JupyterLab and `run_notebook` keep the outputs in
different places. The kernel does keep a history of inputs and results. Put into the shipped notebook, that history
gives the executed notebook, whichever program runs it.
"""

from __future__ import annotations

from typing import Any

from pratique.errors import UsageError
from pratique.notebook.find import find_notebook, read_notebook, tagged


def executed_here(name: str) -> dict[str, Any]:
    """Return the shipped notebook `name` with the result that this kernel has for the source of each code cell.

    Raises: UsageError when called outside a notebook.
    """
    shell = _shell(name)
    inputs = {source.strip(): number for number, source in enumerate(shell.history_manager.input_hist_raw)}
    results = shell.history_manager.output_hist
    notebook = read_notebook(find_notebook(name))
    # the cell holds the defaults, which are not the values of this run
    notebook["cells"] = [cell for cell in notebook["cells"] if cell is not tagged(notebook, "parameters")]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            number = inputs.get(cell["source"].strip())
            cell["outputs"] = [_output(shell, results[number])] if number in results else []
    return notebook


def _shell(name: str) -> Any:
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only in a kernel

    shell = get_ipython()
    if shell is None:
        raise UsageError(
            f"a page is saved only inside its notebook: run notebooks/{name}.ipynb, or `pratique run {name}`"
        )
    return shell


def _output(shell: Any, result: Any) -> dict[str, Any]:
    data, _ = shell.display_formatter.format(result)
    return {"output_type": "display_data", "data": data}
