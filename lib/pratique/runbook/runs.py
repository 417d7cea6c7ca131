"""The runs of the state folder: what each one does, whether its process lives, and how it ended."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pratique.clock import stamp
from pratique.config import DEFAULT_FILE
from pratique.errors import DataError, MissingError, PratiqueError, UsageError
from pratique.runbook.engine.journal import Journal, Line
from pratique.subject_lock import Holder, Lock

OTHER = "@"
"""Is in the subject of a run that works on no service, and in no service's name."""
BEGINNING_S = 60.0
"""Age from which an empty journal is not that of a run that begins."""
State = Literal["running", "dead", "ended"]
OLDEST_RUNBOOK = "release"
"""The runbook of a journal that names none: there was only one when it was written."""
COMMANDS = ("release", "rollback")
"""The runbooks with their own command."""
NOT_REPEATED = ("run_id", "who", "why", "dry_run")
"""The parameters that a command to resume does not repeat."""


@dataclass(frozen=True)
class RunSummary:
    """One run of a runbook.

    state: "running" while its process lives; "dead" when the process died before the run had ended; "ended".
    subject: the service, or KIND@NAME for anything else. outcome: how it ended, "" while it has not. started, ended: UTC. holder: the process that works on it.
    """

    id: str
    runbook: str
    subject: str
    revision: str
    state: State
    outcome: str
    started: datetime
    ended: datetime | None
    folder: Path
    stages: tuple[float, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    holder: Holder | None = None

    @property
    def resume_command(self) -> str:
        """The command that resumes the run with the parameters that it was started with."""
        given = {name: _text(value) for name, value in self.parameters.items() if value and name not in NOT_REPEATED}
        if given.get("config") == str(Path(DEFAULT_FILE).absolute()):
            del given["config"]
        if self.runbook not in COMMANDS:
            pairs = [word for name, value in given.items() for word in ("-p", name, value)]
            return shlex.join(["pratique", "run", self.runbook, *pairs, "-p", "run_id", self.id])
        subject = [given.pop(name) for name in ("service", "revision") if name in given]
        flags = [name for name in given if self.parameters[name] is True]
        options = [
            word
            for name, value in given.items()
            for word in (f"--{name.replace('_', '-')}", value)[: 1 if name in flags else 2]
        ]
        return shlex.join(["pratique", self.runbook, *subject, *options, "--run-id", self.id])

    @property
    def ways_on(self) -> str:
        """The commands that resume a dead run or undo it, in one line."""
        return f"resume it with: {self.resume_command}; or undo it with: pratique abort {self.id}"

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values; times are ISO 8601, UTC."""
        return {
            "run": self.id,
            "runbook": self.runbook,
            "subject": self.subject,
            "service": self.subject if OTHER not in self.subject else None,
            "revision": self.revision,
            "state": self.state,
            "outcome": self.outcome,
            "started": stamp(self.started),
            "ended": stamp(self.ended) if self.ended else None,
            "folder": str(self.folder),
            "resume_command": self.resume_command if self.state == "dead" else None,
        }


def list_runs(state_dir: Path, subject: str | None = None) -> list[RunSummary]:
    """Return all runs, or those of one service or other subject, oldest first. A damaged journal is left out: see `damaged_runs`."""
    holder_of = _holders(state_dir)
    found = [run for folder in _folders(state_dir) if (run := _readable(folder, holder_of)) is not None]
    return sorted((run for run in found if subject in (None, run.subject)), key=lambda run: run.started)


def damaged_runs(state_dir: Path) -> list[str]:
    """Return one sentence for each run whose journal is damaged or empty, with its file and what to do."""
    return [message for folder in _folders(state_dir) if (message := _damage(folder)) is not None]


def _damage(folder: Path) -> str | None:
    journal = Journal.in_folder(folder)
    try:
        if journal.lines():
            return None
        # a run that begins has an empty journal for a moment
        if time.time() - journal.path.stat().st_mtime < BEGINNING_S:
            return None
    except FileNotFoundError:
        return None
    except PratiqueError as error:
        return f"run {folder.name}: {error}"
    return f"run {folder.name}: journal {str(journal.path)!r} is empty: the run did nothing: delete {str(folder)!r}"


def dead_runs(state_dir: Path, subject: str) -> list[RunSummary]:
    """Return the runs of a subject whose process died before they had ended."""
    return [run for run in list_runs(state_dir, subject) if run.state == "dead"]


def find_run(state_dir: Path, run_id: str) -> RunSummary:
    """Return one run by its id.

    Raises: UsageError naming the ids that come close, DataError when its journal is damaged.
    """
    folder = state_dir / "runs" / run_id
    if "/" in run_id or not Journal.in_folder(folder).path.exists():
        known = [path.name for path in _folders(state_dir)]
        if not known:
            raise MissingError(f"no run {run_id!r:.80}: {str(state_dir)!r} has no runs: check --config")
        raise UsageError.unknown("run", run_id[:80], known)
    run = _summary(folder, _holders(state_dir))
    if run is None:
        raise MissingError(f"run {run_id!r} has not begun: its journal is empty")
    return run


def _folders(state_dir: Path) -> Iterator[Path]:
    runs = state_dir / "runs"
    if runs.is_dir():
        yield from (path for path in sorted(runs.iterdir()) if Journal.in_folder(path).path.exists())


def _holders(state_dir: Path) -> Callable[[str], Holder | None]:
    """A function of a subject that looks at its lock once: each look blocks a run that starts for a moment."""
    return cache(lambda subject: Lock(state_dir, subject).holder())


def _readable(folder: Path, holder_of: Callable[[str], Holder | None]) -> RunSummary | None:
    try:
        return _summary(folder, holder_of)
    except DataError:
        return None


def _summary(folder: Path, holder_of: Callable[[str], Holder | None]) -> RunSummary | None:
    lines = [line for line in Journal.in_folder(folder).lines() if line.event in {"opened", "resumed", "ended"}]
    if not lines or lines[0].event != "opened":
        return None
    opened = lines[0].data
    subject = str(opened.get("subject", opened.get("service", "")))
    holder = holder_of(subject)
    holder = holder if holder is not None and holder.run == folder.name else None
    is_over = lines[-1].event == "ended"
    return RunSummary(
        id=folder.name,
        runbook=str(opened.get("runbook", OLDEST_RUNBOOK)),
        subject=subject,
        revision=str(opened.get("revision", "")),
        state="running" if holder else "ended" if is_over else "dead",
        outcome=_outcome(lines[-1]) if is_over else "",
        started=lines[0].time,
        ended=lines[-1].time if is_over else None,
        folder=folder,
        stages=tuple(float(stage) for stage in opened.get("stages", ())),
        parameters=opened.get("context", {}),
        holder=holder,
    )


def _outcome(ended: Line) -> str:
    return str(ended.data.get("outcome", "ended"))


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
