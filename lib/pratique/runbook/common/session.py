"""A runbook as its notebook runs it: opened, step by step, ended; and ended by another process when it died."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from pratique.errors import PratiqueError
from pratique.runbook.common import file_names
from pratique.runbook.common.context import RunContext
from pratique.runbook.common.record_result import write_result
from pratique.runbook.common.steps import RECORD
from pratique.runbook.engine.console import say, say_detail
from pratique.runbook.engine.journal import FILE_NAME as JOURNAL_NAME
from pratique.runbook.engine.run import Run
from pratique.runbook.engine.step import Step
from pratique.runbook.engine.watchdog import LOG_NAME as WATCHDOG_LOG_NAME

Context = TypeVar("Context", bound=RunContext[Any])


class Session(Generic[Context]):
    """A run that goes through its steps; each step is done once per run id.

    finishing: keys of the steps after the final one, which recovery performs for a run that died between them.
    files: names of the files that it writes in its folder, for a dry run.
    """

    finishing: ClassVar[tuple[str, ...]] = ()
    files: ClassVar[tuple[str, ...]] = (JOURNAL_NAME, WATCHDOG_LOG_NAME)

    def __init__(self, context: Context, steps: Sequence[Step]) -> None:
        """Prepare; nothing is written before `open`."""
        self.context = context
        self._run = Run(
            context.folder,
            steps=steps,
            outbox=context.outbox,
            lock=context.lock,
            on_failure=self._failed,
            dry_run=context.parameters.dry_run,
        )

    @property
    def will_run(self) -> bool:
        """True if opening it begins or resumes a run: it is not a dry run, and this run id has not finished."""
        return not self._run.dry_run and not self._finished

    def open(self) -> None:
        """Take the lock, and begin or resume. `opening.open_session` first cleans up after a crashed run.

        Raises: UsageError (another runbook or revision under this run id), BusyError.
        """
        if self._run.dry_run:
            self._announce_dry_run()
        elif self._finished:
            say(f"{self._title}, already finished ({self.context.outcome}); nothing to do")
        else:
            self._begin()

    def record(self) -> Path:
        """Record the outcome in the ledger and result.json, and release the lock; return the path of result.json."""
        self._run.perform(RECORD)
        self._run.close({"outcome": self.context.outcome})
        return self._run.folder / file_names.RESULT

    def abort(self, reason: str) -> None:
        """Stop the run between steps: undo everything and record it."""
        self._run.abort(reason)

    def finish_dead_run(self, reason: str) -> None:
        """End this run, whose process died: undo it, or finish it if it is past its final step, and record it.

        Raises: BusyError when the process is alive.
        """
        run = self._run
        run.take_lock()
        if self._finished:
            run.close({"outcome": self.context.outcome})
        elif self.context.outcome != "failed":
            for key in self.finishing:
                run.perform(key)
        run.abort(reason)

    @property
    def _finished(self) -> bool:
        return self.context.journal.state(RECORD) == "done"

    @property
    def _title(self) -> str:
        return f"run {self._run.id!r}, {self.context.title}"

    def _begin(self) -> None:
        context, run = self.context, self._run
        dead = run.open(context.identity, context=context.parameters.to_json(), deadline=context.time_limit)
        if dead:
            say(f"took over the lock of {dead}, which crashed")
        if run.resumed:
            context.outbox.record(context.entry_kind, {"event": "resumed"}, revision=context.revision or None)
        started = "resumed" if run.resumed else "started"
        say(f"{self._title}, {started}; {run.time_left_s() / 60:.0f} min until the deadline")

    def _announce_dry_run(self) -> None:
        context = self.context
        say(f"dry run: {self._title}; nothing is changed")
        holder = context.lock.holder()
        if holder:
            say_detail(f"{context.subject} is held by {holder}: a real run would be refused")
        for name in self.files:
            say_detail(f"write {context.folder / name}")
        say_detail(f"write {context.ledger.path}, {context.lock.path}")

    def _failed(self, error: Exception) -> None:
        status = error.exit_status if isinstance(error, PratiqueError) else PratiqueError.exit_status
        try:
            write_result(self.context, reason=f"failed: {error}", exit_status=status)
        except PratiqueError as unwritten:
            say_detail(str(unwritten))
        self._run.close({"outcome": self.context.outcome, "error": str(error)})
