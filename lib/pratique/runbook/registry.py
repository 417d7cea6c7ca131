"""The table of runbooks: every other module looks a runbook up here.

A new runbook in this library adds a line to BUILT_IN. A runbook in another package registers an entry point:

    [project.entry-points."pratique.runbooks"]
    resize = "my_package.resize:RUNBOOK"        # a pratique.runbook.registry.Runbook

Recovery, the watchdog, `pratique orphans` and `pratique run` then know it, in every process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol

from pratique.errors import DataError

ENTRY_POINTS = "pratique.runbooks"


class Recoverable(Protocol):
    """A run that another process can end; `common.session.Session` is one."""

    def finish_dead_run(self, reason: str) -> None:
        """End the run, whose process died: undo it, or finish it if it is past its final step, and record it."""


@dataclass(frozen=True)
class Runbook:
    """A runbook. name: in the journal, never change it. notebook: its file name without extension.

    rebuild: returns the session of a run from the parameters in its journal.
    preflight: called with the notebook's parameters before its kernel starts; raises what the run would be refused for.
    run_id_word: stands in generated run ids; a release has none, its ids are SERVICE-REVISION-TIME.
    subject: the parameter that names what the run works on; "" when none does.
    """

    name: str
    notebook: str
    rebuild: Callable[[Mapping[str, Any]], Recoverable]
    run_id_word: str = ""
    subject: str = "service"
    preflight: Callable[[Mapping[str, Any]], None] = lambda _: None


def _check_release(parameters: Mapping[str, Any]) -> None:
    from pratique.runbook.release.preflight import check_release  # noqa: PLC0415 - loads the judge

    check_release(parameters)


def _check_rollback(parameters: Mapping[str, Any]) -> None:
    from pratique.runbook.rollback.preflight import check_rollback  # noqa: PLC0415 - loads runtime and balancer

    check_rollback(parameters)


def _check_doctor(parameters: Mapping[str, Any]) -> None:
    from pratique.runbook.doctor.preflight import check_doctor  # noqa: PLC0415 - loads runtime and balancer

    check_doctor(parameters)


def _check_job(parameters: Mapping[str, Any]) -> None:
    from pratique.runbook.scheduled_job.preflight import check_job  # noqa: PLC0415 - loads the runtime

    check_job(parameters)


def _job(parameters: Mapping[str, Any]) -> Recoverable:
    from pratique.runbook.scheduled_job.session import JobSession  # noqa: PLC0415 - loads the runtime

    return JobSession.from_journal(parameters)


def _release(parameters: Mapping[str, Any]) -> Recoverable:
    from pratique.runbook.release.session import ReleaseSession  # noqa: PLC0415 - loads the judge

    return ReleaseSession.from_journal(parameters)


def _rollback(parameters: Mapping[str, Any]) -> Recoverable:
    from pratique.runbook.rollback.session import RollbackSession  # noqa: PLC0415 - loads runtime and balancer

    return RollbackSession.from_journal(parameters)


def _doctor(parameters: Mapping[str, Any]) -> Recoverable:
    from pratique.runbook.doctor.session import DoctorSession  # noqa: PLC0415 - loads runtime and balancer

    return DoctorSession.from_journal(parameters)


BUILT_IN = (
    Runbook("release", "release", _release, preflight=_check_release),
    Runbook("rollback", "rollback", _rollback, run_id_word="rollback", preflight=_check_rollback),
    Runbook("doctor", "doctor", _doctor, run_id_word="doctor", subject="", preflight=_check_doctor),
    Runbook("scheduled_job", "scheduled_job", _job, run_id_word="job", preflight=_check_job, subject="job"),
)


def runbooks() -> dict[str, Runbook]:
    """Return all runbooks by name: those of this library, and those that other packages registered.

    Raises: DataError when a registered runbook cannot be loaded.
    """
    found = {runbook.name: runbook for runbook in BUILT_IN}
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            runbook = entry.load()
        except Exception as error:
            raise DataError(f"runbook {entry.name!r} cannot be loaded from {entry.value!r}: {error}") from error
        if not isinstance(runbook, Runbook):
            raise DataError(f"runbook {entry.name!r}: {entry.value!r} is not a pratique.runbook.registry.Runbook")
        found.setdefault(runbook.name, runbook)
    return found


def find_runbook(name: str) -> Runbook:
    """Return the runbook of that name.

    Raises: DataError naming the runbooks that exist.
    """
    found = _first(lambda runbook: runbook.name == name)
    if found is None:
        raise DataError(
            f"runbook {name!r} is not registered here, known are {', '.join(sorted(runbooks()))}: "
            "install the package that defines it"
        )
    return found


def runbook_of_notebook(notebook: str) -> Runbook | None:
    """Return the runbook of a notebook, by its file name without extension; None for any other notebook."""
    return _first(lambda runbook: runbook.notebook == notebook)


def _first(is_wanted: Callable[[Runbook], bool]) -> Runbook | None:
    """The first runbook that matches. Built-in ones come first: a package that cannot be loaded must not stop a rollback."""
    built_in = next(filter(is_wanted, BUILT_IN), None)
    return built_in or next(filter(is_wanted, runbooks().values()), None)
