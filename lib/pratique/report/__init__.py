"""Compare two revisions from the store, and write the report."""

from pratique.report.comparison import Comparison, judge_stored, open_comparison
from pratique.report.reproduce import reproduction
from pratique.report.write import ReportPaths, save_report, write_report

__all__ = [
    "Comparison",
    "ReportPaths",
    "judge_stored",
    "open_comparison",
    "reproduction",
    "save_report",
    "write_report",
]
