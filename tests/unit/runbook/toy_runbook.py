"""A runbook of another package, for tests: it reserves a file, grows it, and records that.

python toy_runbook.py CONFIG RUN_ID [STEP MARKER]: run all of it; in the middle of STEP create MARKER and wait forever.
"""

import sys
import time
from datetime import timedelta
from pathlib import Path

from pratique.runbook.common.steps import Record, RunStep
from pratique.runbook.engine.step import Step
from pratique.runbook.opening import open_session
from pratique.runbook.registry import Runbook
from pratique.runbook.service.context import ServiceContext
from pratique.runbook.service.parameters import ServiceParameters, check_service_parameters
from pratique.runbook.service.session import ServiceSession

stall = []


class ResizeContext(ServiceContext):
    """A file in the state folder, named after the run."""

    runbook, title, time_limit = "resize", "resize of shop", timedelta(minutes=10)
    revision = winner = reason = "r1"
    exit_status = 0

    @property
    def outcome(self):
        return "promoted" if self.journal.state("grow") == "done" else "failed"

    @property
    def result(self):
        return {"verdict": None, "report": None}

    def new_instances(self):
        return []

    def file(self, name):
        return self.target.state_dir / f"{name}-{self.run_id}"


class CreateFile(RunStep):
    """Create a file; undoing removes it."""

    def do(self, attempt):
        attempt.note({"interrupted_before": bool(attempt.noted)})
        file = self._context.file(self.key)
        file.touch()
        if stall and stall[0] == self.key:
            Path(stall[1]).touch()
            time.sleep(120)
        file.write_text("done")
        return {"file": str(file)}

    def undo(self, data):
        self._context.file(self.key).unlink(missing_ok=True)


class Reserve(CreateFile):
    key, title, description = "reserve", "Reserve", "reserve a file"


class Grow(CreateFile):
    key, title, description = "grow", "Grow", "grow the file"


class ResizeSession(ServiceSession):
    """All steps of a resize."""

    def __init__(self, context):
        steps: list[Step] = [Reserve(context), Grow(context), Record(context)]
        super().__init__(context, steps)

    @classmethod
    def from_journal(cls, parameters):
        return cls(ResizeContext(ServiceParameters.from_json(parameters)))

    def perform_all(self):
        for key in ("reserve", "grow"):
            self._run.perform(key)
        self.record()


RUNBOOK = Runbook("resize", "resize", ResizeSession.from_journal, run_id_word="resize")


def open_resize(config, run_id):
    """Open a resize of the shop."""
    parameters = check_service_parameters(service="shop", config=str(config), run_id=run_id)
    session = ResizeSession(ResizeContext(parameters))
    open_session(session)
    return session


if __name__ == "__main__":
    stall += sys.argv[3:]
    open_resize(sys.argv[1], sys.argv[2]).perform_all()
