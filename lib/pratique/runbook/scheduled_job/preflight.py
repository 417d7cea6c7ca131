"""What a run of a job would be refused for, checked before its kernel starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pratique.runbook.common.preflight import require_new_or_same
from pratique.runbook.scheduled_job.context import JobContext
from pratique.runbook.scheduled_job.parameters import JobParameters, check_job_parameters


def check_job(parameters: Mapping[str, Any]) -> None:
    """Check parameters, service file and lock; nothing is written. Raises: UsageError, ConfigError, BusyError."""
    given = {name: value for name, value in parameters.items() if name in JobParameters.names()}
    require_new_or_same(JobContext(check_job_parameters(**given)))
