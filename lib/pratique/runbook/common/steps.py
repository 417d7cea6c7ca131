"""The steps that every runbook shares, and the base class of its other steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from typing_extensions import override

from pratique.runbook.common import file_names
from pratique.runbook.common.context import RunContext
from pratique.runbook.common.record_result import write_result
from pratique.runbook.engine.step import Attempt, Data, Step

Context = TypeVar("Context", bound=RunContext[Any])

CHECK = "check"
RECORD = "record"
"""Keys of steps that every runbook has."""


class RunStep(Step, Generic[Context]):
    """A step that works on a run's context."""

    def __init__(self, context: Context) -> None:
        """Keep the context; nothing is done."""
        self._context = context


class Record(RunStep[RunContext[Any]]):
    """Record the outcome in the ledger and in result.json."""

    key = RECORD
    title = "Record"
    description = "record the outcome in the ledger and in result.json"

    @override
    def do(self, attempt: Attempt) -> Data:
        context = self._context
        return write_result(context, reason=context.reason, exit_status=context.exit_status)

    @override
    def effects(self) -> Sequence[str]:
        context = self._context
        return [f"write {context.folder / file_names.RESULT}", f"ledger: record the end of the {context.title}"]
