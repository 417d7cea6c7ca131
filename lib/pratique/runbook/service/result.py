"""How a run ended, for programs: result.json beside the journal, and the ledger's last word."""

from __future__ import annotations

import json
from typing import Any

from pratique.clock import stamp
from pratique.errors import StorageError
from pratique.files import replace_file
from pratique.runbook.service.context import Surroundings


def write_result(context: Surroundings, *, reason: str, exit_status: int) -> dict[str, Any]:
    """Write the run's end into the ledger, then result.json, whole or not at all; return what it says.

    exit_status: 0 promoted or gone back, 1 rolled back, 2 inconclusive, 64 and above a failure.
    Raises: StorageError.
    """
    run = context.run
    more = context.result
    said = {"outcome": context.outcome, "verdict": more["verdict"], "reason": reason, "exit_status": exit_status}
    entry = run.enter("release", {"event": "ended", **said}, revision=context.revision or None)
    result = {
        "run": run.id,
        "runbook": context.runbook,
        "service": context.service,
        "revision": context.revision,
        **more,
        **said,
        "start": stamp(run.journal.first("opened").time),
        "end": stamp(entry.time),
        "ledger": {"entry": entry.number, "hash": entry.hash},
    }
    path = run.folder / "result.json"
    try:
        replace_file(path, json.dumps(result, indent=2, allow_nan=False))
    except OSError as error:
        raise StorageError(f"result {str(path)!r} cannot be written: {error.strerror}") from error
    return result
