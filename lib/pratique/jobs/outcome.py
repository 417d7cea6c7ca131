"""How a run of a job ended, in words, and as a record of the outcomes."""

from __future__ import annotations

import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from pratique.clock import stamp
from pratique.jobs.job import Job
from pratique.outcomes import OutcomeRecord
from pratique.outcomes.model import JSON
from pratique.runtime.one_off import OneOffState

KIND = "job"
Word = Literal["ok", "failed", "timed out", "lost", "stopped", "missed", "skipped", "backed off"]
WORDS: tuple[Word, ...] = get_args(Word)
BAD: tuple[Word, ...] = ("failed", "timed out", "lost", "missed")
"""Outcomes that somebody must hear about."""
RAN: tuple[Word, ...] = ("ok", "failed", "timed out", "lost", "stopped")
"""Outcomes of runs that began."""
EXIT_STATUSES: Mapping[str, int] = {"ok": 0, "failed": 1, "timed out": 1, "stopped": 1}
"""The exit status of `pratique job`. Of every other outcome it is UNKNOWN: nothing ran, or nobody can tell."""
UNKNOWN = 2
COULD_NOT_RUN = (125, 126, 127)
SIGNALLED = 128


@dataclass(frozen=True)
class End:
    """How a run ended: a word, and a sentence that says why."""

    word: Word
    reason: str


def end_of(state: OneOffState, memory_limit: str, *, stopped: str = "") -> End:
    """Return how a run ended. memory_limit: for the sentence. stopped: who stopped it, and why; "" when nobody did."""
    code = state.exit_code
    ends: tuple[tuple[bool, Word, str], ...] = (
        (bool(state.error), "failed", f"never started (exit status {code}): {state.error}"),
        # before a good end: a command that ends with 0 when it is asked to stop has not done its work
        (bool(stopped), "stopped", stopped),
        (state.timed_out, "timed out", f"stopped after {state.timeout_s:g} s, which is its timeout_s"),
        (code == 0, "ok", ""),
        (code is None, "lost", "it ended with the process that watched over it: how is not known"),
        (state.oom, "failed", f"out of memory: it used more than {memory_limit} (exit status {code})"),
        (code in COULD_NOT_RUN, "failed", f"its command could not be executed (exit status {code})"),
        (True, "failed", f"exit status {code}{_signal(code or 0)}"),
    )
    return next(End(word, reason) for holds, word, reason in ends if holds)


def attempt_of(state: OneOffState) -> int:
    """Return which attempt a run is; 1 when its label is not a number."""
    try:
        return int(state.labels.get("attempt", "1"))
    except ValueError:
        return 1


def lost(reason: str) -> End:
    """Return the end of a run that is gone."""
    return End("lost", reason)


def record_of(
    job: Job,
    end: End,
    *,
    key: str,
    at: datetime,
    planned: str = "",
    state: OneOffState | None = None,
    revision: str = "",
    log: str = "",
    lines: Sequence[str] = (),
    **more: JSON,
) -> OutcomeRecord:
    """Return the record of a run. key: the id of the run. planned: its due time as text. log: the name of the kept one."""
    facts: dict[str, JSON] = {"reason": end.reason, "planned": planned, "run": key, **more}
    duration_s = state.duration_s if state is not None and state.exit_code is not None else None
    if state is not None:
        facts |= {
            "started": stamp(state.started) if state.started else "",
            "exit_code": state.exit_code,
            "oom": state.oom,
            "attempt": attempt_of(state),
            "by": state.labels.get("host", ""),
        }
    facts |= {"log": log, "last_lines": list(lines)} if log or lines else {}
    return OutcomeRecord(
        at=at,
        kind=KIND,
        subject=job.subject,
        key=key,
        outcome=end.word,
        revision=state.revision if state is not None else revision,
        host=job.settings.host or socket.gethostname(),
        duration_ms=round(max(0.0, duration_s) * 1000) if duration_s is not None else None,
        details=facts,
    )


def _signal(code: int) -> str:
    try:
        return f", ended by {signal.Signals(code - SIGNALLED).name}" if code > SIGNALLED else ""
    except ValueError:
        return ""
