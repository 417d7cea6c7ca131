"""Compare two revisions, analyse an incident, or compare the content of two releases, and write the report."""

from pratique.report.compared_content import content_change
from pratique.report.comparison import Comparison, judge_stored, open_comparison
from pratique.report.container_logs import incident_logs
from pratique.report.history import OpenedHistory, open_history, save_history, write_history
from pratique.report.incident import investigate_all, investigate_stored, open_incident
from pratique.report.incident_page import incident_reproduction, save_incident, write_incident
from pratique.report.incident_question import IncidentQuestion
from pratique.report.release_difference import open_difference, save_difference, write_difference
from pratique.report.reproduce import reproduction
from pratique.report.write import save_report, write_report
from pratique.report.written_page import ReportPaths

__all__ = [
    "Comparison",
    "IncidentQuestion",
    "OpenedHistory",
    "ReportPaths",
    "content_change",
    "incident_logs",
    "incident_reproduction",
    "investigate_all",
    "investigate_stored",
    "judge_stored",
    "open_comparison",
    "open_difference",
    "open_history",
    "open_incident",
    "reproduction",
    "save_difference",
    "save_history",
    "save_incident",
    "save_report",
    "write_difference",
    "write_history",
    "write_incident",
    "write_report",
]
