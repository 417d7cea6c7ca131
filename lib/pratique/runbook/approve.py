"""Approve a stage of a run from another process, now or in advance, or have the canary rolled back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pratique.errors import DeniedError, StorageError, UsageError
from pratique.ledger import current_user
from pratique.runbook.canary.answers import Answer, read_question, write_answer
from pratique.runbook.runs import RunSummary, find_run


@dataclass(frozen=True)
class Approved:
    """The answer that was given. stage: percent. was_asked: False for an answer in advance."""

    run: RunSummary
    stage: float
    answer: Answer
    was_asked: bool


def approve(
    state_dir: Path, run_id: str, stage: float | None = None, *, roll_back: bool = False, who: str = ""
) -> Approved:
    """Answer the open question of a run, or approve a stage in advance.

    stage: percent; None means the stage that waits. roll_back: return the traffic to the baseline instead.
    who: kept with the answer; "" means the login name.
    Raises: MissingError and UsageError (no such run, ended, no such stage, nothing to answer), DeniedError.
    """
    run = find_run(state_dir, run_id)
    if run.state == "ended":
        raise UsageError(f"run {run_id!r} has already ended ({run.outcome}): there is nothing to approve")
    if run.state == "dead":
        raise UsageError(f"the process of run {run_id!r} is dead: resume it first: {run.resume_command}")
    question = read_question(run.folder)
    chosen = stage if stage is not None else question.stage if question else None
    if chosen is None:
        raise UsageError(
            f"run {run_id!r} waits for no approval now: name the stage to approve in advance: {_percents(run.stages)}"
        )
    if chosen not in run.stages:
        raise UsageError(
            f"run {run_id!r} has no stage of {chosen:g} %: its stages are {_percents(run.stages) or 'none'}"
        )
    answer: Answer = "rollback" if roll_back else "approve"
    try:
        write_answer(run.folder, chosen, answer, who or current_user())
    except PermissionError as error:
        raise DeniedError(f"run {run_id!r} belongs to another user: answer as that user") from error
    except OSError as error:
        raise StorageError(f"the answer cannot be kept in {str(run.folder)!r}: {error.strerror}") from error
    return Approved(run, chosen, answer, question is not None and question.stage == chosen)


def _percents(stages: tuple[float, ...]) -> str:
    return ", ".join(f"{stage:g}" for stage in stages)
