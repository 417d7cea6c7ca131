"""A run's entries in the ledger. Entries that cannot be written while the run undoes wait, in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pratique.clock import stamp, utc_now
from pratique.errors import PratiqueError
from pratique.ledger import Entry, Ledger
from pratique.runbook.engine.console import describe, say_detail
from pratique.runbook.engine.step import Data

UNDO_LEDGER_TIMEOUT_S = 2.0
"""How long undoing waits for a busy ledger: restoring the traffic comes first."""


class LedgerOutbox:
    """Write entries of one run. An entry that could not be written is queued and precedes the next one.

    who: the person; why: the reason; both go into each entry.
    """

    def __init__(self, ledger: Ledger, service: str, run_id: str, *, who: str, why: str) -> None:
        """Name the run; nothing is written."""
        self.ledger = ledger
        self.who = who
        self.why = why
        self._service = service
        self._run_id = run_id
        self._queue: list[tuple[str, Data, str | None]] = []
        self._undoing = False

    def record(self, kind: str, data: Data, *, revision: str | None = None) -> Entry:
        """Write an entry after those that wait. Raises: BusyError, StorageError, DeniedError."""
        while self._queue:
            self._append(*self._queue[0])
            del self._queue[0]
        return self._append(kind, data, revision)

    def record_or_queue(self, kind: str, data: Data, *, revision: str | None = None) -> None:
        """Write an entry; if the ledger cannot be written, print why and queue the entry."""
        if not self._queue or not self._undoing:
            try:
                self.record(kind, data, revision=revision)
            except PratiqueError as error:
                say_detail(describe(error))
            else:
                return
        self._queue.append((kind, {"since": stamp(utc_now()), **data}, revision))

    def record_change(self, kind: str, data: Data, *, revision: str | None = None) -> None:
        """Write an entry about a change. While the run undoes, a busy ledger does not stop it; otherwise it raises."""
        write = self.record_or_queue if self._undoing else self.record
        write(kind, data, revision=revision)

    def record_step(self, step: str, event: str, reason: str = "") -> None:
        """Write or queue an entry about a step, by its key."""
        self.record_or_queue("step", {"step": step, "event": event} | ({"reason": reason} if reason else {}))

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """Wait only briefly for a busy ledger."""
        with self.ledger.busy_timeout(UNDO_LEDGER_TIMEOUT_S):
            yield

    @contextmanager
    def undoing(self) -> Iterator[None]:
        """While the run undoes: wait only briefly, and after one failure queue all entries without another try."""
        self._undoing = True
        try:
            with self.impatient():
                yield
        finally:
            self._undoing = False

    def _append(self, kind: str, data: Data, revision: str | None) -> Entry:
        return self.ledger.append(
            kind, self._service, who=self.who, why=self.why, revision=revision, run=self._run_id, data=data
        )
