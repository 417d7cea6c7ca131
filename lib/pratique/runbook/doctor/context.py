"""The context of an examination as a run: its parameters, and what it found."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from typing_extensions import override

from pratique.doctor.model import Examination
from pratique.errors import UsageError
from pratique.runbook.common.context import Outcome, RunContext
from pratique.runbook.doctor.parameters import DoctorParameters
from pratique.runbook.engine.step import Data

SUBJECT = "doctor@all"
EXAMINE, KEEP = "examine", "keep"
"""Keys of the steps, in the journal and the ledger."""
MARGIN = timedelta(minutes=5)


class DoctorContext(RunContext[DoctorParameters]):
    """Everything that the steps of an examination share. examination: of this process; None before it."""

    runbook = "doctor"

    def __init__(self, parameters: DoctorParameters) -> None:
        """Read the service file; nothing is written."""
        super().__init__(parameters, SUBJECT)
        self.examination: Examination | None = None
        self.report: Path | None = None

    @property
    def found(self) -> Examination:
        """The examination. Raises: UsageError before it was made."""
        if self.examination is None:
            raise UsageError("nothing was examined yet: run the notebook from its first cell")
        return self.examination

    @property
    @override
    def time_limit(self) -> timedelta:
        return timedelta(seconds=self.config.doctor.timeout_s) + MARGIN

    @property
    @override
    def title(self) -> str:
        return "examination of the hosts"

    @property
    @override
    def outcome(self) -> Outcome:
        state: Data = self.journal.data(EXAMINE)
        if not state or self.journal.state(KEEP) != "done":
            return "failed"
        return "found" if state["exit_status"] == 1 else "inconclusive" if state["exit_status"] == 2 else "done"

    @property
    @override
    def reason(self) -> str:
        return str(self.journal.data(EXAMINE).get("summary", ""))

    @property
    @override
    def exit_status(self) -> int:
        return int(self.journal.data(EXAMINE)["exit_status"])

    @property
    @override
    def result(self) -> Data:
        state = self.journal.data(EXAMINE)
        return {"scores": state.get("scores", {}), "report": str(self.report) if self.report else None}
