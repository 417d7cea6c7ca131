"""What a release would be refused for, checked before its kernel starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pratique.runbook.release.context import ReleaseContext
from pratique.runbook.release.parameters import ReleaseParameters, check_release_parameters
from pratique.runbook.service.preflight import require_new_or_same
from pratique.runbook.service.steps import CHECK
from pratique.store import open_store


def check_release(parameters: Mapping[str, Any]) -> None:
    """Check parameters, service file, lock, release, pool and store; nothing is written.

    Raises: UsageError, ConfigError, MissingError, DataError, BusyError, UnavailableError.
    """
    given = {name: value for name, value in parameters.items() if name in ReleaseParameters.names()}
    context = ReleaseContext(check_release_parameters(**given))
    context.choose_approver()
    require_new_or_same(context)
    if context.journal.state(CHECK) != "done":
        context.make_plan()
    open_store(context.config.store)
