"""Undoing: every step that began, last first. One step that fails does not stop the others."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from pratique.errors import BusyError, PratiqueError, UnavailableError
from pratique.runbook.engine.console import describe, say, say_detail
from pratique.runbook.engine.journal import Event, Journal
from pratique.runbook.engine.ledger_outbox import LedgerOutbox
from pratique.runbook.engine.step import Data, Step

UNDO_RETRY_LIMIT_S = 20.0
"""How long undoing retries while an engine or a balancer does not answer."""
UNDO_RETRY_EVERY_S = 1.0
UNDO_BUSY_LIMIT_S = 40.0
"""How much longer undoing retries while another process has locked the balancer; such a lock ends by itself."""


class Undo:
    """Undo the steps of one run."""

    def __init__(self, journal: Journal, outbox: LedgerOutbox, steps: Mapping[str, Step]) -> None:
        """steps: all steps of the run, by key."""
        self._journal = journal
        self._outbox = outbox
        self._steps = steps

    def undo_all(self, reason: str, failed: str) -> list[str]:
        """Undo every step that began, last first; return one line for each step that could not be undone.

        failed: the key of the step that failed, "" when none did. A journal or ledger that cannot be written is
        printed, and stops nothing.
        """
        steps = self._steps_to_undo()
        if any(step.changes_something for step in steps):
            say(f"undoing: {reason}")
        if steps:
            journal_safely(self._journal, "undoing", data={"reason": reason})
        if failed:
            self._outbox.record_step(failed, "failed", reason)
        until = time.monotonic() + UNDO_RETRY_LIMIT_S
        changing = [step for step in steps if step.changes_something]
        problems = [problem for step in changing if (problem := self._undo_step(step, until))]
        # undoing the rest later needs the facts that the other steps found
        for step in steps if not problems else ():
            if not step.changes_something:
                self._undo_step(step, until)
        return problems

    def _steps_to_undo(self) -> Sequence[Step]:
        order: dict[str, None] = {}
        for line in self._journal.lines():
            if line.event == "begun":
                order[line.step] = None
            elif line.event == "undone":
                order.pop(line.step, None)
            elif line.event == "done" and self._steps[line.step].final:
                order.clear()
        return [self._steps[key] for key in reversed(order)]

    def _undo_step(self, step: Step, until: float) -> str | None:
        while True:
            try:
                step.undo(self._journal.data(step.key))
                break
            except (UnavailableError, BusyError) as error:
                # an engine or a balancer may be restarting, or the lock of another process about to end
                if time.monotonic() < until + (UNDO_BUSY_LIMIT_S if isinstance(error, BusyError) else 0):
                    time.sleep(UNDO_RETRY_EVERY_S)
                    continue
                return self._not_undone(step, error)
            except Exception as error:  # noqa: BLE001 - the other steps must be undone too; this error is reported
                return self._not_undone(step, error)
        journal_safely(self._journal, "undone", step.key)
        self._outbox.record_step(step.key, "undone")
        return None

    def _not_undone(self, step: Step, error: Exception) -> str:
        self._outbox.record_step(step.key, "not undone", describe(error))
        return f"{step.title}: {describe(error)}"


def journal_safely(journal: Journal, event: Event, step: str = "", data: Data | None = None) -> None:
    """Append a line to the journal; if that fails, print why and continue."""
    try:
        journal.append(event, step, data)
    except PratiqueError as error:
        say_detail(describe(error))
