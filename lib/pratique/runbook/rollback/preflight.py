"""What a rollback would be refused for, checked before its kernel starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pratique.runbook.rollback.context import RollbackContext
from pratique.runbook.service.parameters import RunParameters, check_run_parameters
from pratique.runbook.service.preflight import require_new_or_same


def check_rollback(parameters: Mapping[str, Any]) -> None:
    """Check parameters, service file and lock; nothing is written.

    Raises: UsageError, ConfigError, BusyError.
    """
    given = {name: value for name, value in parameters.items() if name in RunParameters.names()}
    require_new_or_same(RollbackContext(check_run_parameters(**given)))
