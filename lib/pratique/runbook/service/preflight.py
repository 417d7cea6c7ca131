"""What any run would be refused for, checked before its kernel starts."""

from __future__ import annotations

from typing import Any

from pratique.errors import BusyError
from pratique.runbook.engine.journal import Journal
from pratique.runbook.engine.run import require_same_identity
from pratique.runbook.service.context import RunContext


def require_new_or_same(context: RunContext[Any]) -> None:
    """Check that no other run holds the service, and that the run id is new or of the same run.

    Raises: BusyError, UsageError.
    """
    if context.parameters.dry_run:
        return
    holder = context.lock.holder()
    if holder is not None:
        raise BusyError(
            f"{context.service} is held by {holder}: wait for that run, or end it: pratique abort {holder.run}"
        )
    journal = Journal.in_folder(context.folder)
    if journal.lines():
        require_same_identity(journal, context.run_id, context.identity)
