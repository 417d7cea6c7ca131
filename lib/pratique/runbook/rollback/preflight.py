"""What a rollback would be refused for, checked before its kernel starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pratique.runbook.common.preflight import require_new_or_same
from pratique.runbook.common.steps import CHECK
from pratique.runbook.rollback.context import RollbackContext
from pratique.runbook.rollback.parameters import RollbackParameters, check_rollback_parameters


def check_rollback(parameters: Mapping[str, Any]) -> None:
    """Check parameters, service file, lock, pool and the release to restore; nothing is written.

    Raises: UsageError, ConfigError, MissingError, DataError, BusyError, UnavailableError.
    """
    given = {name: value for name, value in parameters.items() if name in RollbackParameters.names()}
    context = RollbackContext(check_rollback_parameters(**given))
    require_new_or_same(context)
    # the run first ends a dead one, which may change the pool
    if context.journal.state(CHECK) != "done" and context.lock.abandoned() is None:
        context.make_plan()
