"""How a run ended, for programs: result.json beside the journal, and the run's last entry in the ledger."""

from __future__ import annotations

import json
from typing import Any

from pratique.clock import stamp
from pratique.errors import StorageError
from pratique.files import PRIVATE, replace_file
from pratique.runbook.common import file_names
from pratique.runbook.common.context import RunContext


def write_result(context: RunContext[Any], *, reason: str, exit_status: int) -> dict[str, Any]:
    """Write the run's end into the ledger, then result.json; return the content of result.json.

    exit_status: 0 promoted, reverted or done, 1 rolled back or found, 2 inconclusive, 64 and above a failure.
    Raises: BusyError, DeniedError, StorageError.
    """
    more = context.result
    judged = {"verdict": more["verdict"]} if "verdict" in more else {}
    ended = {"outcome": context.outcome, **judged, "reason": reason, "exit_status": exit_status}
    entry = context.outbox.record(context.entry_kind, {"event": "ended", **ended}, revision=context.revision or None)
    result = {
        "run": context.run_id,
        "runbook": context.runbook,
        **context.names,
        **more,
        **ended,
        "start": stamp(context.journal.first("opened").time),
        "end": stamp(entry.time),
        "ledger": {"entry": entry.number, "hash": entry.hash},
    }
    context.notify_end(result)
    path = context.folder / file_names.RESULT
    try:
        replace_file(path, json.dumps(result, indent=2, allow_nan=False), mode=PRIVATE)
    except OSError as error:
        raise StorageError(
            f"result {str(path)!r} cannot be written: {error.strerror}: check the state folder"
        ) from error
    return result
