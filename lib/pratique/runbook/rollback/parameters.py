"""The parameters of runbooks/rollback.ipynb, checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pratique.errors import UsageError
from pratique.runbook.service.parameters import RunParameters, check_run_parameters


@dataclass(frozen=True)
class RollbackParameters(RunParameters):
    """The parameters of a rollback. drill: whether it is an exercise, which the delivery metrics do not count as a failure."""

    drill: bool = field(default=False, kw_only=True)


def check_rollback_parameters(*, drill: bool = False, **common: Any) -> RollbackParameters:
    """Check the parameters of a rollback as a notebook or papermill gives them. `common`: those of every runbook.

    Raises: UsageError naming the parameter, its value, and the accepted values.
    """
    if not isinstance(drill, bool):
        raise UsageError(f"drill is {drill!r:.80}: it must be true or false")
    return RollbackParameters(**vars(check_run_parameters(**common)), drill=drill)
