"""Files that make a scheduler run a canary report: cron, systemd, Airflow, GitHub, GitLab, Jenkins, Kubernetes."""

from pratique.schedules.period import Period
from pratique.schedules.report import ScheduledReport
from pratique.schedules.systems import SYSTEMS, schedule_files

__all__ = ["SYSTEMS", "Period", "ScheduledReport", "schedule_files"]
