"""An examination as its notebook runs it: one call a step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pratique.doctor.as_json import examination_json
from pratique.doctor.model import Examination
from pratique.runbook.common.session import Session
from pratique.runbook.doctor.context import EXAMINE, KEEP, DoctorContext
from pratique.runbook.doctor.parameters import DoctorParameters
from pratique.runbook.doctor.steps import steps_of

if TYPE_CHECKING:
    from pratique.report.written_page import ReportPaths

NOTEBOOK = "doctor"


class DoctorSession(Session[DoctorContext]):
    """An examination that goes through its steps."""

    def __init__(self, context: DoctorContext) -> None:
        """Prepare; nothing is written before `open`."""
        super().__init__(context, steps_of(context))

    @classmethod
    def from_journal(cls, parameters: Mapping[str, Any]) -> DoctorSession:
        """Return the session of a run, from the parameters in its journal."""
        return cls(DoctorContext(DoctorParameters.from_json(parameters)))

    def examine(self) -> Examination | None:
        """Read every host and run the checks; return the examination, None in a dry run and after a run that has ended."""
        self._run.perform(EXAMINE)
        return self.context.examination

    def keep(self) -> int:
        """Keep the result of each host, and notify; return how many findings are new."""
        return int(self._run.perform(KEEP).get("new", 0))

    def contradictions(self) -> list[str]:
        """Return the checks whose result contradicts itself; none may, and the notebook asserts that.

        Anything not looked at has a reason and no score, and what was found has its objects.
        """
        found = self.context.examination
        results = [result for host in found.hosts for result in host.results] if found else []
        return [
            result.check.id
            for result in results
            if (result.state == "not looked at") != (result.score is None)
            or (result.state == "not looked at" and not result.reason)
            or (result.state == "found") != bool(result.findings)
        ]

    def save(self) -> ReportPaths | None:
        """Write the page and the examination as JSON; call it inside doctor.ipynb. None in a dry run.

        Raises: UsageError when called outside a notebook; DeniedError, StorageError.
        """
        from pratique.report.written_page import page_paths, reports_folder, save_page  # noqa: PLC0415 - papermill

        context = self.context
        if context.examination is None:
            return None
        out = Path(context.parameters.out) if context.parameters.out else reports_folder(context.config)
        is_file = out.suffix.casefold() == ".html"
        folder, stem = (out.parent, out.stem) if is_file else (out, f"doctor-{context.run_id}")
        paths = page_paths(folder.absolute(), stem, "result")
        found = context.examination
        save_page(NOTEBOOK, paths, f"Hosts {found.at:%Y-%m-%d}: {found.sentence}", examination_json(found))
        context.report = paths.html
        return paths
