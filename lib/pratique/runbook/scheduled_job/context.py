"""The context of a run of a job: the job, and what the journal says about its end."""

from __future__ import annotations

from datetime import timedelta

from typing_extensions import override

from pratique.jobs.job import SUBJECT, Job, find_job
from pratique.jobs.outcome import EXIT_STATUSES, UNKNOWN
from pratique.runbook.common.context import Outcome, RunContext
from pratique.runbook.engine.step import Data
from pratique.runbook.scheduled_job.parameters import JobParameters

RUN = "run the job"
BACKOFF = "hold it back"
"""Keys of the steps, in the journal and the ledger."""
STARTED = "started"
"""The outcome of a run that nobody waits for."""
BESIDE_S = 300.0
"""How much longer than the job the run may take: to find the release, to fetch its image, to stop it."""
OUTCOMES: dict[str, Outcome] = {
    "ok": "done", STARTED: "done", "skipped": "inconclusive", "backed off": "inconclusive", "lost": "inconclusive",
}  # fmt: skip


class JobContext(RunContext[JobParameters]):
    """Everything that the steps share."""

    runbook = "scheduled_job"

    def __init__(self, parameters: JobParameters) -> None:
        """Read the service file; nothing is written."""
        super().__init__(parameters, f"{SUBJECT}{parameters.job}")
        self.job: Job = find_job(self.config, parameters.job)

    @property
    @override
    def time_limit(self) -> timedelta:
        settings = self.job.settings
        attempts = settings.retries + 1
        return timedelta(seconds=attempts * (settings.timeout_s + settings.retry_delay_s + self.job.drain_s) + BESIDE_S)

    @property
    @override
    def title(self) -> str:
        return f"job {self.job.name}"

    @property
    def ended(self) -> Data:
        """How the run ended, as its step kept it; {} before that."""
        return self.journal.data(RUN)

    @property
    @override
    def revision(self) -> str:
        return str(self.ended.get("revision", "")) or self.parameters.revision

    @property
    @override
    def outcome(self) -> Outcome:
        return OUTCOMES.get(str(self.ended.get("outcome")), "failed")

    @property
    @override
    def reason(self) -> str:
        ended = self.ended
        return f"job {self.job.name}: {ended.get('outcome', '')}" + (
            f": {ended['reason']}" if ended.get("reason") else ""
        )

    @property
    @override
    def exit_status(self) -> int:
        word = str(self.ended.get("outcome"))
        return 0 if word == STARTED else EXIT_STATUSES.get(word, UNKNOWN)

    @property
    @override
    def result(self) -> Data:
        return {"job": self.job.name, "ended": self.ended}
