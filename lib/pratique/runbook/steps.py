"""What a step is: something done once per run, and how it is undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Data = dict[str, Any]


def _nothing(_: Data) -> Sequence[str]:
    return ()


def _always(_: Data) -> bool:
    return True


@dataclass(frozen=True)
class Step:
    """One step of a runbook.

    name: a word or two, the key in the journal. does: what it does, in the imperative, for people.
    do: does it and returns what its undoing and later steps need (plain JSON, no secrets). It is given
        what an interrupted attempt had noted down, {} on a first attempt, and must be able to follow
        one: it looks at what is there instead of assuming.
    undo: puts everything back as it was, given the same data; must be able to run twice.
    effects: what it would do, for a dry run: one line an effect.
    holds: whether a step that was done is still in effect; it is done again when not.
    final: once it is done, nothing is undone any more.
    """

    name: str
    does: str
    do: Callable[[Data], Data]
    undo: Callable[[Data], None] | None = None
    effects: Callable[[Data], Sequence[str]] = _nothing
    holds: Callable[[Data], bool] = _always
    final: bool = False
