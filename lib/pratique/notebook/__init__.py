"""Find notebooks, check their parameters and run them; errors are raised again unchanged."""

from pratique.notebook.execute import run_notebook
from pratique.notebook.find import find_notebook
from pratique.notebook.parameters import Parameter, check_parameters, describe_parameters, read_parameters

__all__ = [
    "Parameter",
    "check_parameters",
    "describe_parameters",
    "find_notebook",
    "read_parameters",
    "run_notebook",
]
