"""Notebooks run with checked parameters, and reports written from them."""

from pratique.report.comparison import Comparison, judge_stored, open_comparison
from pratique.report.reproduce import reproduction_of
from pratique.report.write import ReportPaths, save_report, write_report

__all__ = [
    "Comparison",
    "ReportPaths",
    "judge_stored",
    "open_comparison",
    "reproduction_of",
    "save_report",
    "write_report",
]
