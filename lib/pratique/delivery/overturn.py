"""Record that a person found a stop of the judge to be a false alarm."""

from __future__ import annotations

from pratique.delivery.canaries import OVERTURNED
from pratique.delivery.deployments import is_by_hand
from pratique.errors import MissingError, UsageError
from pratique.ledger import Entry, Ledger


def overturn(ledger: Ledger, run: str, why: str, who: str | None = None) -> Entry:
    """Write the entry and return it; one that is there already is returned.

    Raises: MissingError (no such run), UsageError (no reason, or the judge did not stop this run).
    """
    entries = ledger.entries(run=run)
    if not entries:
        runs = [entry.run for entry in ledger.entries(kind="verdict") if entry.run]
        raise MissingError.unknown("run", run, list(dict.fromkeys(runs)), where=f"in {str(ledger.path)!r}")
    there = next((entry for entry in entries if entry.kind == OVERTURNED), None)
    if there is not None:
        return there
    if not why.strip():
        raise UsageError(f"overturning run {run!r} needs a reason: give it with --why")
    stopped = next((e for e in reversed(entries) if e.kind == "verdict" and e.data.get("decision") == "rollback"), None)
    if stopped is None or is_by_hand(stopped):
        raise UsageError(f"run {run!r} was not stopped by the judge: only a stop can be a false alarm")
    return ledger.append(OVERTURNED, stopped.service, who=who, why=why.strip(), revision=stopped.revision, run=run)
