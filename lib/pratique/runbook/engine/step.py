"""What a step is: something done once per run, and how it is undone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

Data = dict[str, Any]
"""What a step notes down and leaves: plain JSON, no secrets."""


class Step(ABC):
    """One step of a runbook.

    name: a word or two, the key in the journal. does: what it does, in the imperative, for people.
    final: once it is done, nothing is undone any more.
    """

    name: ClassVar[str]
    does: str
    final: ClassVar[bool] = False

    @abstractmethod
    def do(self, noted: Data) -> Data:
        """Do it, and return what its undoing and later steps need.

        noted: what an interrupted attempt had noted down, {} on a first one. A step must be able to
        follow such an attempt: it looks at what is there instead of assuming.
        """

    def undo(self, data: Data) -> None:  # noqa: B027 - a step that changes nothing has nothing to undo
        """Put everything back as it was, given what it noted and left; must be able to run twice."""

    def effects(self) -> Sequence[str]:
        """What it would do, for a dry run: one line an effect. Changes nothing."""
        return ()

    def holds(self, data: Data) -> bool:  # noqa: ARG002 - most steps hold for good
        """Whether a step that was done is still in effect; it is done again when not."""
        return True
