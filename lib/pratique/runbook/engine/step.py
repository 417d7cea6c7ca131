"""A step: something that is done once per run, and how it is undone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pratique.runbook.engine.console import say_detail

Data = dict[str, Any]
"""Facts that a step stores in the journal: plain JSON, no secrets."""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a step: the progress of an interrupted attempt, and the run's services for this one.

    noted: the progress that an interrupted attempt saved, {} on the first attempt.
    note: saves progress in the journal, for the case that this attempt is interrupted.
    time_left_s: returns the seconds until the run's deadline, at least 0.
    require_time: raises UnavailableError when the run's deadline has passed.
    extend_deadline: puts the run's deadline off by that many seconds.
    """

    noted: Data
    note: Callable[[Data], None]
    time_left_s: Callable[[], float]
    require_time: Callable[[], None]
    extend_deadline: Callable[[float], None]

    def say(self, text: str) -> None:
        """Print one line below the step's own line."""
        say_detail(text)


class Step(ABC):
    """One step of a runbook.

    key: its name on disk, in the journal and the ledger; never change it, or old journals become unreadable.
    title: its name for people. description: what it does, in the imperative.
    final: once it is done, no earlier step is undone.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    final: ClassVar[bool] = False

    @property
    @abstractmethod
    def description(self) -> str:
        """What the step does, in the imperative."""

    @abstractmethod
    def do(self, attempt: Attempt) -> Data:
        """Do it, and return the facts that undoing it and later steps need.

        A step must be able to follow an interrupted attempt: it checks what exists, and assumes nothing.
        """

    def undo(self, data: Data) -> None:  # noqa: B027 - a step that changes nothing has nothing to undo
        """Restore everything as it was. Must be safe to run twice. data: the notes and the result of the step."""

    def effects(self) -> Sequence[str]:
        """Return the effects for a dry run, one line each. Changes nothing."""
        return ()

    def holds(self, data: Data) -> bool:  # noqa: ARG002 - most steps hold for good
        """Whether a step that was done is still in effect; if not, it is done again."""
        return True

    @property
    def changes_something(self) -> bool:
        """Whether there is anything to undo."""
        return type(self).undo is not Step.undo
