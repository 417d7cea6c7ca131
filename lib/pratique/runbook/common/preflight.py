"""What any run would be refused for, checked before its kernel starts."""

from __future__ import annotations

from typing import Any

from pratique.runbook.common.context import RunContext
from pratique.runbook.engine.run import require_same_identity


def require_new_or_same(context: RunContext[Any]) -> None:
    """Check that no other run holds the subject, and that the run id is new or of the same run.

    Raises: BusyError, UsageError.
    """
    if context.parameters.dry_run:
        return
    context.lock.require_free()
    if context.journal.lines():
        require_same_identity(context.journal, context.run_id, context.identity)
