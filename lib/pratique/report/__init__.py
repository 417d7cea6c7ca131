"""Notebooks run with checked parameters, and reports written from them."""

from pratique.report.comparison import Comparison, judge_stored, open_comparison
from pratique.report.notebooks import find_notebook
from pratique.report.parameters import Parameter, check_parameters, describe_parameters, read_parameters
from pratique.report.reproduce import reproduction_of
from pratique.report.running import run_notebook
from pratique.report.writing import ReportPaths, save_report, write_report

__all__ = [
    "Comparison",
    "Parameter",
    "ReportPaths",
    "check_parameters",
    "describe_parameters",
    "find_notebook",
    "judge_stored",
    "open_comparison",
    "read_parameters",
    "reproduction_of",
    "run_notebook",
    "save_report",
    "write_report",
]
