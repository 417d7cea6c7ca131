"""The steps of a run of a job, in order, and how each is undone.

step             what it does                                           how it is undone
---------------  -----------------------------------------------------  ----------------------------------------
Check            record what ended before; find the release             nothing to undo
Hold back        set or clear the backoff flag, where that is asked     restore the flag
Run              run it to its end and record its outcome               stop it and record that
Record           write the ledger's last entry and result.json          nothing to undo
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from pratique.clock import iso, utc_now
from pratique.jobs.backoff import Backoff, clear_backoff, read_backoff, set_backoff
from pratique.jobs.current_status import current_status
from pratique.jobs.ended_runs import record_end
from pratique.jobs.memory import open_due, read_memory
from pratique.jobs.outcome import KIND
from pratique.jobs.run import JobRequest, run_job, stop_own, stop_running
from pratique.jobs.serving import serving_release
from pratique.outcomes import OutcomeRecord, open_outcomes
from pratique.runbook.common.steps import CHECK, Record, RunStep
from pratique.runbook.engine.step import Attempt, Data, Step
from pratique.runbook.scheduled_job.context import BACKOFF, RUN, STARTED, JobContext
from pratique.runtime.one_off import OneOffState, wait_for_end


class Check(RunStep[JobContext]):
    """Record what ended since somebody looked, and find what would run."""

    key = CHECK
    title = "Check"
    description = "record earlier runs that ended, and find the release that serves"

    @override
    def do(self, attempt: Attempt) -> Data:
        attempt.require_time()
        context = self._context
        status = current_status(context.job, mine=context.run_id)
        attempt.say(f"{context.job.name} is {status.state}" + (f", next due {iso(status.next)}" if status.next else ""))
        release = serving_release(context.job.target, context.parameters.revision)
        attempt.say(f"it runs {release.service} {release.revision} ({release.digest[:19]}…)")
        context.outbox.record(
            context.entry_kind, {"event": "started", "runbook": context.runbook}, revision=release.revision
        )
        return {"revision": release.revision, "digest": release.digest, "state": status.state}

    @override
    def effects(self) -> Sequence[str]:
        release = serving_release(self._context.job.target, self._context.parameters.revision)
        return [f"run {release.service} {release.revision} ({release.digest[:19]}…)"]


class HoldBack(RunStep[JobContext]):
    """Set or clear the backoff flag."""

    key = BACKOFF
    title = "Hold back"
    description = "set or clear the backoff flag, if that is asked"

    @override
    def do(self, attempt: Attempt) -> Data:
        context, mode = self._context, self._context.parameters.backoff
        before = read_backoff(context.job)
        attempt.note({"before": vars(before) if before else None})
        if not mode:
            attempt.say(str(before) if before else "the flag is not set")
        elif mode == "off":
            clear_backoff(context.job)
        else:
            flag = set_backoff(
                context.job, "stop" if mode == "stop" else "on", who=context.outbox.who, why=context.parameters.why
            )
            attempt.say(f"{flag}: no new run begins")
            if mode == "stop" and stop_running(context.job, str(flag), mine=context.run_id):
                attempt.say("the run that was there was stopped")
        return {"before": vars(before) if before else None}

    @override
    def undo(self, data: Data) -> None:
        context, before = self._context, data.get("before")
        if not context.parameters.backoff or "before" not in data:
            return
        clear_backoff(context.job)
        if before:
            flag = Backoff(**before)
            set_backoff(context.job, flag.mode, who=flag.who, why=flag.why)

    @override
    def effects(self) -> Sequence[str]:
        mode = self._context.parameters.backoff
        return [f"backoff {mode}"] if mode else ["leave the flag as it is"]


class RunOnce(RunStep[JobContext]):
    """Run the job to its end; of an interrupted attempt, wait for the run that it began."""

    key = RUN
    title = "Run"
    description = "run the job, and record how it ended"

    @override
    def do(self, attempt: Attempt) -> Data:
        context = self._context
        record = self._record_of_before() if attempt.noted else None
        if record is None:
            attempt.note({"began": iso(utc_now())})
            record = run_job(context.job, self._request(), say=attempt.say)
        return _facts(record) if record is not None else {"outcome": STARTED, "reason": "nobody waits for its end"}

    @override
    def undo(self, data: Data) -> None:
        """Stop the run if it is this one's, and record that."""
        context = self._context
        if data.get("outcome") in {None, STARTED}:
            stop_own(context.job, context.run_id, f"its run {context.run_id!r} was undone")

    @override
    def effects(self) -> Sequence[str]:
        context = self._context
        words = context.parameters.command or context.job.settings.command
        return [
            f"run {' '.join(words)!r:.300} as {context.job.container!r}",
            "record its outcome, and keep its log if it fails",
        ]

    def _request(self) -> JobRequest:
        context = self._context
        given, job = context.parameters, context.job
        due = open_due(job, read_memory(job), utc_now())
        return JobRequest(
            context.run_id, due, command=given.command, revision=given.revision, wait=given.wait,
            attempts=job.settings.retries + 1,
        )  # fmt: skip

    def _own(self) -> OneOffState | None:
        state = self._context.job.runner.find(self._context.job.container)
        return state if state is not None and state.run == self._context.run_id else None

    def _record_of_before(self) -> OutcomeRecord | None:
        """Wait for the run that an interrupted attempt began; None when it began none."""
        state, job = self._own(), self._context.job
        ended = wait_for_end(job.runner, state, drain_s=job.drain_s) if state is not None else None
        if ended is not None:
            return record_end(job, ended)
        # its end may be recorded and its container removed
        kept = open_outcomes(job.target.state_dir).read(kind=KIND, subject=job.subject)
        return next((record for record in kept if record.key == self._context.run_id), None)


def _facts(record: OutcomeRecord) -> Data:
    return {
        "outcome": record.outcome,
        "reason": str(record.details.get("reason", "")),
        "revision": record.revision,
        "duration_ms": record.duration_ms,
        "exit_code": record.details.get("exit_code"),
        "log": record.details.get("log", ""),
    }


def steps_of(context: JobContext) -> list[Step]:
    """Return the steps, in order."""
    return [Check(context), HoldBack(context), RunOnce(context), Record(context)]
