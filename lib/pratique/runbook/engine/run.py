"""A run of a runbook: each step is done once; when one fails, the steps are undone in reverse."""

from __future__ import annotations

import atexit
import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from pratique.clock import elapsed_s, utc_now
from pratique.config import check_name
from pratique.errors import Interrupted, PratiqueError, UnavailableError, UsageError
from pratique.runbook.engine.console import describe, say, say_detail
from pratique.runbook.engine.journal import Event, Journal
from pratique.runbook.engine.ledger_outbox import LedgerOutbox
from pratique.runbook.engine.signals import Interrupts, signals_ignored
from pratique.runbook.engine.step import Attempt, Data, Step
from pratique.runbook.engine.stop_request import stop_reason
from pratique.runbook.engine.undo import Undo, journal_safely
from pratique.runbook.engine.watchdog import Watchdog
from pratique.subject_lock import Holder, Lock

Result = TypeVar("Result")

STOPPED, TERMINATED = 130, 143
"""Exit statuses of a run that was stopped, as a shell returns them for Ctrl-C and SIGTERM."""


class StoppedError(PratiqueError):
    """A person stopped the run; its steps are undone."""

    exit_status = STOPPED


class TerminatedError(StoppedError):
    """SIGTERM stopped the run; its steps are undone."""

    exit_status = TERMINATED


class Run:
    """A run: an id, a folder with its journal, the service's lock, and the steps.

    Opened again with the same id it resumes: steps that were done are not done again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        steps: Sequence[Step],
        outbox: LedgerOutbox,
        lock: Lock,
        on_failure: Callable[[Exception], None],
        dry_run: bool = False,
    ) -> None:
        """Name the run; nothing is written before `open`.

        folder: of the run, named like its id. on_failure: called with the error after everything is undone.
        """
        self.id = check_name("run id", folder.name)
        self.folder = folder
        self.journal = Journal.in_folder(folder)
        self.steps = {step.key: step for step in steps}
        self.outbox = outbox
        self.lock = lock
        self.dry_run = dry_run
        self._on_failure = on_failure
        self._undo = Undo(self.journal, outbox, self.steps)
        self._interrupts = Interrupts(self._terminate, partial(stop_reason, folder))
        self._watchdog: Watchdog | None = None
        self._deadline_s = math.inf

    # -- open and close

    def open(self, identity: Data, *, context: Data, deadline: timedelta) -> Holder | None:
        """Take the lock and begin, or resume the run of the same id.

        identity: the purpose of the run; the same id with another identity is refused. context: everything else that
            another process needs to undo the run. deadline: for the whole run, from its beginning.
        Returns: the dead holder whose lock was taken over, if any.
        Raises: BusyError, UsageError.
        """
        dead = self.take_lock()
        try:
            self._begin(identity, context, deadline)
            self._watchdog = Watchdog(self.folder)
        except BaseException:
            if dead:
                self.lock.abandon()
            else:
                self.lock.release()
            raise
        self._interrupts.install()
        atexit.register(self.abort, "the process exited")
        return dead

    def take_lock(self) -> Holder | None:
        """Take the lock only, to end a run whose process died. Returns: the dead holder, if any."""
        dead = self.lock.take(who=self.outbox.who, run=self.id, reason=self.outbox.why)
        with self.outbox.impatient():
            taken = {"event": "taken"} | ({"taken_over_from": str(dead)} if dead else {})
            self.outbox.record_or_queue("lock", taken)
        return dead

    def close(self, outcome: Data) -> None:
        """End the run: write the journal's last line, release the lock, dismiss the watchdog, restore the signals."""
        if self.active:
            self._journal_safely("ended", data=outcome)
            self.outbox.record_or_queue("lock", {"event": "released"})
            self.lock.release()
        if self._watchdog is not None:
            self._watchdog.dismiss()
            self._watchdog = None
        self._interrupts.remove()
        atexit.unregister(self.abort)

    @property
    def active(self) -> bool:
        """True if this process is working on the run: it was opened here and has not ended."""
        return self.lock.held

    @property
    def resumed(self) -> bool:
        """Whether an earlier process worked on this run."""
        return any(line.event == "resumed" for line in self.journal.lines())

    @property
    def ended(self) -> Data | None:
        """How the run ended; None while it has not."""
        lines = [line for line in self.journal.lines() if line.event in {"opened", "resumed", "ended"}]
        return lines[-1].data if lines and lines[-1].event == "ended" else None

    def time_left_s(self) -> float:
        """Return the seconds until the run's deadline, at least 0."""
        return max(0.0, self._deadline_s - elapsed_s())

    def extend_deadline(self, seconds: float) -> None:
        """Put the run's deadline off."""
        self._deadline_s += seconds

    def require_time(self) -> None:
        """Raises: UnavailableError when the run's deadline has passed."""
        if self.time_left_s() == 0:
            raise UnavailableError(
                f"the deadline of run {self.id!r} has passed: use a longer deadline_min and a new run_id"
            )

    def _begin(self, identity: Data, context: Data, deadline: timedelta) -> None:
        if not self.journal.lines():
            self.journal.append("opened", data={**identity, "context": context})
        else:
            require_same_identity(self.journal, self.id, identity)
            self.journal.append("resumed", data={"who": self.outbox.who, "why": self.outbox.why})
        left = self._attempt_began() + deadline - utc_now()
        self._deadline_s = elapsed_s() + left.total_seconds()

    def _attempt_began(self) -> datetime:
        """Return when the current attempt was opened: "ended" ends an attempt, the death of a process does not."""
        began = None
        for line in self.journal.lines():
            if line.event == "ended":
                began = None
            elif began is None and line.event in {"opened", "resumed"}:
                began = line.time
        return began or utc_now()

    # -- steps

    def perform(self, key: str) -> Data:
        """Do a step unless this run has done it before; undo everything when it fails.

        Returns: the result of the step, from this process or an earlier one.
        Raises: the step's error, after everything is undone and recorded.
        """
        step = self.steps[key]
        known = self.journal.data(key)
        if self.dry_run:
            _print_effects(step)
            return {}
        if self.guarded(key, lambda: self._is_done(step, known)):
            say(f"{step.title}: already done in run {self.id!r}")
            return known
        if not self.active:
            raise UsageError(f"run {self.id!r} has ended: run the notebook from its first cell with a new run_id")
        return self.guarded(key, lambda: self._do(step))

    def guarded(self, key: str, work: Callable[[], Result]) -> Result:
        """Do a part of a step; when it fails or is interrupted, undo and record everything.

        key: of the step, or a name for work that belongs to none.
        Raises: the error of `work`; StoppedError when it was interrupted.
        """
        if not self.active:
            return work()
        try:
            with self._interrupts.working():
                return work()
        except BaseException as error:
            raise self._failed(key, error) from error

    def save_progress(self, key: str, data: Data) -> None:
        """Write into the journal what the next attempt at a step needs if this one is interrupted."""
        self.journal.append("noted", key, data)

    def _is_done(self, step: Step, known: Data) -> bool:
        return self.journal.state(step.key) == "done" and (not self.active or step.holds(known))

    def _do(self, step: Step) -> Data:
        interrupted = self.journal.state(step.key) == "begun"
        say(f"{step.title}: {step.description}" + (" (resuming)" if interrupted else ""))
        if not interrupted:
            self.journal.append("begun", step.key)
        noted = self.journal.data(step.key) if interrupted else {}
        note = partial(self.save_progress, step.key)
        data = step.do(Attempt(noted, note, self.time_left_s, self.require_time, self.extend_deadline))
        self.journal.append("done", step.key, data)
        self.outbox.record_step(step.key, "done")
        return data

    # -- failure

    def abort(self, reason: str) -> None:
        """End a run between steps: undo everything and record it. Aborting an ended run is allowed."""
        self._stop(StoppedError(f"run {self.id!r} was stopped: {reason}"), reason)

    def _terminate(self) -> None:
        reason = stop_reason(self.folder)
        self._stop(TerminatedError(f"run {self.id!r} was {reason}"), reason)

    def _stop(self, error: StoppedError, reason: str) -> None:
        if self.active:
            with signals_ignored():
                self._journal_safely("cancelled", data={"reason": reason})
                self._end_undone(reason, error)

    def _failed(self, key: str, error: BaseException) -> Exception:
        title = self.steps[key].title if key in self.steps else key
        with signals_ignored():
            reason = describe(error)
            self._journal_safely("failed", key, {"reason": reason})
            if isinstance(error, KeyboardInterrupt):
                stopped = TerminatedError if isinstance(error, Interrupted) else StoppedError
                message = f"{reason} during {title!r}"
                return self._end_undone(message, stopped(f"run {self.id!r} was {message}"), failed=key)
            return self._end_undone(f"{title} failed: {reason}", error, failed=key)

    def _end_undone(self, reason: str, error: BaseException, *, failed: str = "") -> Exception:
        with self.outbox.undoing():
            problems = self._undo.undo_all(reason, failed)
        raised: Exception
        if problems:
            raised = UnavailableError(f"{reason}; undoing failed: {'; '.join(problems)}")
        elif isinstance(error, Exception):
            raised = error
        else:
            raised = StoppedError(f"run {self.id!r} was stopped: {reason}")
        self._on_failure(raised)
        return raised

    def _journal_safely(self, event: Event, step: str = "", data: Data | None = None) -> None:
        journal_safely(self.journal, event, step, data)


def require_same_identity(journal: Journal, run_id: str, identity: Data) -> None:
    """Check that the run of a journal has this identity. Raises: UsageError naming the difference."""
    opened = journal.first("opened").data
    for key, value in identity.items():
        if opened.get(key) != value:
            raise UsageError(
                f"run {run_id!r} was opened with {key} {opened.get(key)!r}, not {value!r}: use a new run_id"
            )


def _print_effects(step: Step) -> None:
    say(f"{step.title}: would {step.description}")
    for effect in step.effects():
        say_detail(effect)
