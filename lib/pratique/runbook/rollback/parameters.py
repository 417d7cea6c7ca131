"""The parameters of runbooks/rollback.ipynb, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pratique.runbook.common.parameters import require_flag
from pratique.runbook.service.parameters import ServiceParameters, check_service_parameters


@dataclass(frozen=True, kw_only=True)
class RollbackParameters(ServiceParameters):
    """The parameters of a rollback. drill: whether it is an exercise, which the delivery metrics do not count as a failure."""

    drill: bool = False


def check_rollback_parameters(*, drill: bool = False, **common: Any) -> RollbackParameters:
    """Check the parameters of a rollback as a notebook or papermill gives them. `common`: those of every runbook.

    Raises: UsageError naming the parameter, its value, and the accepted values.
    """
    require_flag("drill", drill)
    return RollbackParameters(**vars(check_service_parameters(**common)), drill=drill)
