"""Recovery: ending runs whose process died, and removing their leftovers."""

from __future__ import annotations

from pathlib import Path

from pratique.balancer.base import Balancer
from pratique.config import Target
from pratique.errors import DataError
from pratique.ledger import current_user
from pratique.runbook.engine.console import say
from pratique.runbook.engine.journal import Journal
from pratique.runbook.registry import Recoverable, find_runbook
from pratique.runbook.runs import OLDEST_RUNBOOK
from pratique.runbook.service.orphans import find_orphans
from pratique.runtime.base import Instance, Runtime
from pratique.subject_lock import Lock

ORPHANS_RUN = "orphans"
"""The run id under which the lock is held while orphans are removed."""
ORPHANS_REASON = "removing orphans"


def finish_dead_run(folder: Path, reason: str) -> None:
    """End the run in `folder`, whose process died: undo it, or finish it if it is past its final step, and record it.

    Raises: BusyError when the process is alive, MissingError when there is no such run, DataError when its runbook is
    not registered here.
    """
    _rebuild(folder).finish_dead_run(reason)


def end_abandoned(state_dir: Path, subject: str, reason: str, *, except_run: str = "") -> None:
    """End the run that died with the subject's lock, if any: a service cannot have two canaries.

    except_run: a run id that resumes by itself.
    """
    dead = Lock(state_dir, subject).abandoned()
    if dead is None or dead.run == except_run:
        return
    folder = state_dir / "runs" / dead.run
    # a run that died before its first line has changed nothing
    if Journal.in_folder(folder).lines():
        say(f"{dead} crashed; undoing its changes first")
        finish_dead_run(folder, f"its process died; {reason}")


def remove_orphans(target: Target, runtime: Runtime, balancer: Balancer, *, who: str = "") -> list[Instance]:
    """Drain and stop the orphans while the service is locked; return the removed instances.

    A run that died with the service's lock is ended first: its changes are undone and recorded.
    Raises: BusyError when a run is active, UnavailableError.
    """
    service, who = target.service, who or current_user()
    before = _known(runtime, service)
    end_abandoned(target.state_dir, service, f"{who} removes orphans")
    lock = Lock(target.state_dir, service)
    lock.take(who=who, run=ORPHANS_RUN, reason=ORPHANS_REASON)
    try:
        for instance in find_orphans(target, runtime, balancer):
            runtime.stop(instance, drain_s=target.settings.runtime.drain_s)
        left = {instance.id for instance in _known(runtime, service)}
    finally:
        lock.release()
    return [instance for instance in before if instance.id not in left]


def _known(runtime: Runtime, service: str) -> list[Instance]:
    return [*runtime.list(service), *runtime.exited(service)]


def _rebuild(folder: Path) -> Recoverable:
    journal = Journal.in_folder(folder)
    opened = journal.first("opened").data
    name = str(opened.get("runbook", OLDEST_RUNBOOK))
    try:
        runbook = find_runbook(name)
    except DataError as error:
        raise DataError(f"run {folder.name!r} cannot be ended: {error}") from error
    if "context" not in opened:
        raise DataError(f"run {folder.name!r} cannot be ended: its journal {str(journal.path)!r} has no context")
    return runbook.rebuild(opened["context"])
