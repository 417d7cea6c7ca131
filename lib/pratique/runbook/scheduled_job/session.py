"""A run of a job as its notebook runs it: one call per step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pratique.errors import UnavailableError
from pratique.jobs.current_status import current_status
from pratique.jobs.job_lane import JobLane
from pratique.jobs.outcome import KIND
from pratique.jobs.read_lanes import lanes_of
from pratique.outcomes import open_outcomes
from pratique.runbook.common.session import Session
from pratique.runbook.common.steps import CHECK
from pratique.runbook.engine.console import say, say_detail
from pratique.runbook.engine.step import Data
from pratique.runbook.scheduled_job.context import BACKOFF, RUN, STARTED, JobContext
from pratique.runbook.scheduled_job.parameters import JobParameters
from pratique.runbook.scheduled_job.steps import steps_of


class JobSession(Session[JobContext]):
    """A run of a job that goes through its steps; each step is done once per run id."""

    def __init__(self, context: JobContext) -> None:
        """Prepare; nothing is written before `open`."""
        super().__init__(context, steps_of(context))

    @classmethod
    def from_journal(cls, parameters: Mapping[str, Any]) -> JobSession:
        """Return the session of a run, from the parameters in its journal."""
        return cls(JobContext(JobParameters.from_json(parameters)))

    @property
    def lanes(self) -> list[JobLane]:
        """Every job of the service file with its runs of the last weeks, for `figures.job_lanes`."""
        return lanes_of(self.context.config)

    def check(self) -> Data:
        """Record earlier runs that ended; return the revision that would run, its digest, and the state of the job.

        Raises: UnavailableError (nothing serves, no engine answers), MissingError, DataError (it was changed since).
        """
        return self._run.perform(CHECK)

    def hold_back(self) -> None:
        """Set or clear the backoff flag, if that is asked."""
        self._run.perform(BACKOFF)

    def run(self) -> str:
        """Run the job and return how it ended: "ok", "failed", "timed out", "skipped", "backed off" and others."""
        ended = self._run.perform(RUN)
        if ended:
            say_detail(self.context.reason)
        return self.outcome

    @property
    def outcome(self) -> str:
        """How the run ended; "" before that, and in a dry run."""
        return str(self.context.ended.get("outcome", ""))

    def verify(self) -> str:
        """Read the outcome back from the outcomes, and verify the ledger's chain; return it.

        Raises: UnavailableError when it is not there.
        """
        if self._run.dry_run or not self._run.active or self.outcome == STARTED:
            return self.outcome
        self._run.guarded("verify", self._read_back)
        return self.outcome

    def _read_back(self) -> None:
        context = self.context
        records = open_outcomes(context.state_dir).read(kind=KIND, subject=context.subject)
        found = [record.outcome for record in records if record.key == context.run_id]
        if found != [self.outcome]:
            raise UnavailableError(
                f"expected the outcome {self.outcome!r} of run {context.run_id!r}, but the outcomes have {found}"
            )
        current_status(context.job, mine=context.run_id)  # sends its events
        say(f"verified: the outcome is kept; ledger verified ({context.ledger.verify()} entries)")
