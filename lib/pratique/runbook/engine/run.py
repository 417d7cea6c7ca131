"""One run of a runbook: its steps, each done once, and undone in reverse when one of them fails."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from pratique.clock import stamp, utc_now
from pratique.config import Config, check_name
from pratique.errors import BusyError, PratiqueError, UnavailableError, UsageError
from pratique.ledger import Entry, Ledger, current_user, open_ledger
from pratique.runbook.engine.journal import Event, Journal
from pratique.runbook.engine.lock import Holder, Lock
from pratique.runbook.engine.signals import Interrupted, Interrupts
from pratique.runbook.engine.step import Data, Step
from pratique.runbook.engine.watchdog import Guardian

Result = TypeVar("Result")

STOPPED = 130
"""Exit status of a run that a person or a signal stopped, as a shell gives it for Ctrl-C."""
UNDO_PATIENCE_S = 20.0
"""How long undoing tries again where a part does not answer."""
UNDO_AGAIN_S = 1.0
UNDO_LOCKED_S = 40.0
"""How much longer it does so where somebody else holds a balancer; such a lock ends by itself."""
UNDO_BUSY_S = 2.0
"""How long undoing waits for a ledger that others hold: users come first."""


def say(text: str) -> None:
    """One line of plain text, at once, so that it shows in a notebook, a log and a terminal alike."""
    print(text, flush=True)  # noqa: T201 - this is the runbook's voice


class Run:
    """A run: an id, a folder with its journal, the service's lock, and the steps.

    Opened again with the same id it goes on: steps that were done are not done again.
    """

    def __init__(
        self, config: Config, service: str, run_id: str, *, who: str = "", why: str = "", dry_run: bool = False
    ) -> None:
        """Name the run; nothing is written before `open`."""
        self.config = config
        self.service = service
        self.id = check_name("run id", run_id)
        self.who = who or current_user()
        self.why = why
        self.dry_run = dry_run
        self.ledger: Ledger = open_ledger(config.state_dir)
        self.folder: Path = config.state_dir / "runs" / run_id
        self.journal = Journal(self.folder / "journal.jsonl")
        self.lock = Lock(config.state_dir, service)
        self.steps: dict[str, Step] = {}
        self.on_failure: Callable[[Exception], None] = lambda _: None
        self._interrupts = Interrupts(self.abort)
        self._guardian: Guardian | None = None
        self._deadline: datetime | None = None
        self._waiting: list[tuple[str, Data, str | None]] = []
        self.undoing = False

    # -- open and close

    def open(self, identity: Data, *, context: Data, deadline: timedelta) -> Holder | None:
        """Take the lock and begin, or go on where the same run id was left.

        identity: what the run is of; the same id with another one is refused. context: whatever else
            another process needs to undo it. deadline: for the whole run, from its beginning.
        Returns: the dead holder whose lock was taken over, if any.
        Raises: BusyError, UsageError.
        """
        dead = self.attach()
        try:
            self._begin(identity, context, deadline)
            self._guardian = Guardian(self.folder)
        except BaseException:
            if dead:
                self.lock.leave()
            else:
                self.lock.release()
            raise
        self._interrupts.install()
        atexit.register(self.abort, "the process ended")
        return dead

    def attach(self) -> Holder | None:
        """Take the lock only: to end a run that another process left behind."""
        dead = self.lock.take(who=self.who, run=self.id, reason=self.why)
        with self.ledger.hurried(UNDO_BUSY_S):
            self.try_enter("lock", {"event": "taken"} | ({"taken_over_from": str(dead)} if dead else {}))
        return dead

    def _begin(self, identity: Data, context: Data, deadline: timedelta) -> None:
        lines = self.journal.lines()
        if not lines:
            self.journal.append("opened", data={**identity, "context": context})
        else:
            opened = self.journal.first("opened").data
            changed = [key for key, value in identity.items() if opened.get(key) != value]
            if changed:
                raise UsageError(
                    f"run {self.id!r} was opened with {changed[0]} {opened.get(changed[0])!r}, not {identity[changed[0]]!r}: give a new run_id"
                )
            self.journal.append("resumed", data={"who": self.who, "why": self.why})
        self._deadline = self._attempt_began() + deadline

    def _attempt_began(self) -> datetime:
        """When the present attempt was opened: an attempt ends with "ended", not with the death of a process."""
        began = None
        for line in self.journal.lines():
            if line.event == "ended":
                began = None
            elif began is None and line.event in {"opened", "resumed"}:
                began = line.time
        return began or utc_now()

    def close(self, outcome: Data) -> None:
        """End the run: the journal's last line, the lock, the guardian, the signals."""
        if self.lock.held:
            self._jot("ended", data=outcome)
            self.try_enter("lock", {"event": "released"})
            self.lock.release()
        if self._guardian is not None:
            self._guardian.dismiss()
            self._guardian = None
        self._interrupts.remove()
        atexit.unregister(self.abort)

    @property
    def resumed(self) -> bool:
        """Whether an earlier process worked at this run id."""
        return any(line.event == "resumed" for line in self.journal.lines())

    @property
    def ended(self) -> Data | None:
        """How the run ended; None while it has not."""
        lines = [line for line in self.journal.lines() if line.event in {"opened", "resumed", "ended"}]
        return lines[-1].data if lines and lines[-1].event == "ended" else None

    @property
    def left_s(self) -> float:
        """Seconds until the run's deadline; at least 0."""
        return max(0.0, (self._deadline - utc_now()).total_seconds()) if self._deadline else float("inf")

    # -- steps

    def perform(self, name: str) -> Data:
        """Do a step, unless this run id did it before; undo everything when it fails.

        Returns: what the step left, now or then.
        Raises: what the step raised, after everything is undone and recorded.
        """
        step = self.steps[name]
        known = self.journal.data(name)
        if self.dry_run:
            self._tell_effects(step)
            return {}
        if self.guarded(name, lambda: self._is_done(step, known)):
            say(f"{step.name}: done before in run {self.id!r}; not done again")
            return known
        if not self.lock.held:
            raise UsageError(f"run {self.id!r} has ended: run the notebook from its first cell, with a new run_id")
        return self.guarded(name, lambda: self._do(step))

    def note(self, step: str, data: Data) -> None:
        """Write down what a step at work would need, were it interrupted."""
        self.journal.append("noted", step, data)

    def _is_done(self, step: Step, known: Data) -> bool:
        return self.journal.state(step.name) == "done" and (not self.lock.held or step.holds(known))

    def _tell_effects(self, step: Step) -> None:
        say(f"{step.name}: would {step.does}")
        for effect in step.effects():
            say(f"    {effect}")

    def guarded(self, name: str, work: Callable[[], Result]) -> Result:
        """Do a part of a step; when it fails or is interrupted, everything is undone and recorded.

        Raises: what `work` raised; StoppedError when it was interrupted.
        """
        if not self.lock.held:
            return work()
        try:
            with self._interrupts.working():
                return work()
        except BaseException as error:
            raise self._failed(name, error) from error

    def _do(self, step: Step) -> Data:
        interrupted = self.journal.state(step.name) == "begun"
        say(f"{step.name}: {step.does}" + (" (begun before: going on)" if interrupted else ""))
        if not interrupted:
            self.journal.append("begun", step.name)
        data = step.do(self.journal.data(step.name) if interrupted else {})
        self.journal.append("done", step.name, data)
        self._record("done", step.name)
        return data

    def require_time(self) -> None:
        """Raises: UnavailableError when the run's deadline has passed."""
        if self.left_s == 0:
            raise UnavailableError(
                f"the deadline of run {self.id!r} has passed: give a longer deadline_min and a new run_id"
            )

    # -- failing

    def _failed(self, name: str, error: BaseException) -> Exception:
        with self._interrupts.shielded():
            reason = describe(error)
            self._jot("failed", name, {"reason": reason})
            return self._end_undone(f"{name} failed: {reason}", error, failed=name)

    def abort(self, reason: str) -> None:
        """End a run that is between steps: undo everything and record it. Ended already is no error."""
        if self.lock.held:
            with self._interrupts.shielded():
                self._jot("cancelled", data={"reason": reason})
                self._end_undone(reason, StoppedError(f"run {self.id!r} was stopped: {reason}"))

    def _end_undone(self, reason: str, error: BaseException, *, failed: str = "") -> Exception:
        self.undoing = True
        try:
            with self.ledger.hurried(UNDO_BUSY_S):
                problems = self._undo(reason, failed)
        finally:
            self.undoing = False
        if problems:
            told: Exception = UnavailableError(f"{reason}; and it could not be undone: {'; '.join(problems)}")
        elif isinstance(error, Exception):
            told = error
        else:
            told = StoppedError(f"run {self.id!r} was stopped: {reason}")
        self.on_failure(told)
        return told

    def _undo(self, reason: str, failed: str) -> list[str]:
        """Undo every step that was begun, last first, each even when another cannot be; return the problems.

        What cannot be written down, in journal or ledger, is told and holds nothing up.
        """
        steps = self._to_undo()
        if any(_undoes(step) for step in steps):
            say(f"undoing, because {reason}")
        if steps:
            self._jot("undoing", data={"reason": reason})
        if failed:
            self._record("failed", failed, reason)
        until = time.monotonic() + UNDO_PATIENCE_S
        problems = [problem for step in steps if _undoes(step) and (problem := self._undo_step(step, until))]
        # what was found out stays known as long as something is to be undone by it
        for step in steps if not problems else ():
            if not _undoes(step):
                self._undo_step(step, until)
        return problems

    def _to_undo(self) -> Sequence[Step]:
        order: dict[str, None] = {}
        for line in self.journal.lines():
            if line.event == "begun":
                order[line.step] = None
            elif line.event == "undone":
                order.pop(line.step, None)
            elif line.event == "done" and self.steps[line.step].final:
                order.clear()
        return [self.steps[name] for name in reversed(order)]

    def _undo_step(self, step: Step, until: float) -> str | None:
        while True:
            try:
                step.undo(self.journal.data(step.name))
                break
            except (UnavailableError, BusyError) as error:
                # an engine or a balancer may just be starting again, or somebody else's lock be about to end
                if time.monotonic() < until + (UNDO_LOCKED_S if isinstance(error, BusyError) else 0):
                    time.sleep(UNDO_AGAIN_S)
                    continue
                return self._not_undone(step, error)
            except Exception as error:  # noqa: BLE001 - the others must be undone all the same; this one is told
                return self._not_undone(step, error)
        self._jot("undone", step.name)
        self._record("undone", step.name)
        return None

    def _not_undone(self, step: Step, error: Exception) -> str:
        self._record("not undone", step.name, describe(error))
        return f"{step.name}: {describe(error)}"

    def _record(self, event: str, step: str, reason: str = "") -> None:
        self.try_enter("step", {"step": step, "event": event} | ({"reason": reason} if reason else {}))

    def _jot(self, event: Event, step: str = "", data: Data | None = None) -> None:
        """Add a line to the journal, if that can be written."""
        try:
            self.journal.append(event, step, data)
        except PratiqueError as error:
            say(f"    {describe(error)}")

    def try_enter(self, kind: str, data: Data, *, revision: str | None = None) -> None:
        """Add an entry to the ledger, if that can be written; else it waits, and those that follow, for the next `enter`."""
        if not self._waiting or not self.undoing:
            try:
                self.enter(kind, data, revision=revision)
            except PratiqueError as error:
                say(f"    {describe(error)}")
            else:
                return
        self._waiting.append((kind, {"since": stamp(utc_now()), **data}, revision))

    def _enter_what_waits(self) -> None:
        """Raises: BusyError, StorageError, DeniedError: then it waits on."""
        while self._waiting:
            kind, data, revision = self._waiting[0]
            self._append(kind, data, revision)
            del self._waiting[0]

    def enter(self, kind: str, data: Data, *, revision: str | None = None) -> Entry:
        """Add an entry of this run to the ledger, behind those that wait. Raises: BusyError, StorageError, DeniedError."""
        self._enter_what_waits()
        return self._append(kind, data, revision)

    def _append(self, kind: str, data: Data, revision: str | None) -> Entry:
        return self.ledger.append(
            kind, self.service, who=self.who, why=self.why, revision=revision, run=self.id, data=data
        )


class StoppedError(PratiqueError):
    """A person or a signal stopped the run; what it had done is undone."""

    exit_status = STOPPED


def _undoes(step: Step) -> bool:
    """Whether a step changes anything that has to be put back."""
    return type(step).undo is not Step.undo


def describe(error: BaseException) -> str:
    """An error in one line."""
    if isinstance(error, Interrupted):
        return "the process was told to end (SIGTERM)"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted by a person"
    if isinstance(error, PratiqueError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
