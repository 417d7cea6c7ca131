"""The notebook that runs here and now, with the outputs that it has made so far.

A notebook's kernel does not know the file that it is run from, and papermill, JupyterLab and our own runner
each keep the outputs elsewhere. What the kernel has is its history of inputs and results, and that, put
into the notebook as it is shipped, is the executed notebook, whoever runs it.
"""

from __future__ import annotations

from typing import Any

from pratique.errors import UsageError
from pratique.notebook.notebooks import find_notebook, read_notebook, tagged


def executed_here(name: str) -> dict[str, Any]:
    """The shipped notebook `name`, each code cell with the result that this kernel has for its source.

    Raises: UsageError outside of a notebook.
    """
    shell = _shell()
    inputs = {source.strip(): number for number, source in enumerate(shell.history_manager.input_hist_raw)}
    results = shell.history_manager.output_hist
    notebook = read_notebook(find_notebook(name))
    # its defaults are not what the kernel was given
    notebook["cells"] = [cell for cell in notebook["cells"] if cell is not tagged(notebook, "parameters")]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            number = inputs.get(cell["source"].strip())
            cell["outputs"] = [_output(shell, results[number])] if number in results else []
    return notebook


def _shell() -> Any:
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only a kernel has it

    shell = get_ipython()
    if shell is None:
        raise UsageError("a page is saved from inside a notebook: run notebooks/canary_report.ipynb")
    return shell


def _output(shell: Any, result: Any) -> dict[str, Any]:
    data, _ = shell.display_formatter.format(result)
    return {"output_type": "display_data", "data": data}
