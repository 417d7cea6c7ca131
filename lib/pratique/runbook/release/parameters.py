"""The parameters of runbooks/release.ipynb, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pratique.config import check_name
from pratique.errors import UsageError
from pratique.release.commit import COMMIT
from pratique.runbook.common.parameters import require_text
from pratique.runbook.service.parameters import ServiceParameters, check_service_parameters


@dataclass(frozen=True, kw_only=True)
class ReleaseParameters(ServiceParameters):
    """The parameters of a release. () and 0 mean the service file's settings. commit: of the revision, or "" to find it."""

    stages: tuple[float, ...]
    approval: str
    approvals: tuple[str, ...]
    baseline: str
    deadline_min: float
    commit: str = ""


def check_release_parameters(
    *,
    stages: str | Sequence[float] = (),
    approval: str = "",
    approvals: str | Sequence[str | float] = "",
    baseline: str = "",
    deadline_min: float = 0.0,
    commit: str = "",
    **common: Any,
) -> ReleaseParameters:
    """Check the parameters of a release as a notebook or papermill gives them. `common`: those of every runbook.

    Raises: UsageError naming the parameter, its value, and the accepted values.
    """
    require_text({"approval": approval, "baseline": baseline, "commit": commit})
    if commit and not COMMIT.fullmatch(commit):
        raise UsageError(f"commit is {commit!r:.80}: use the hash of a git commit, 7 to 64 of the digits 0-9 and a-f")
    if isinstance(deadline_min, bool) or not isinstance(deadline_min, int | float) or not 0 <= deadline_min < 1e6:
        raise UsageError(f"deadline_min is {deadline_min!r:.80}: use minutes, or 0 for the service file's")
    _one_of("approval", approval, ("automatic", "ask"))
    _one_of("baseline", baseline, ("running", "fresh"))
    parameters = check_service_parameters(**common)
    return ReleaseParameters(
        **{**vars(parameters), "revision": check_name("revision", parameters.revision)},
        stages=_stages(stages),
        approval=approval,
        approvals=tuple(str(word) for word in _words(approvals)),
        baseline=baseline,
        deadline_min=float(deadline_min),
        commit=commit,
    )


def _one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value and value not in allowed:
        raise UsageError(
            f"{name} is {value!r:.80}: use {' or '.join(map(repr, allowed))}, or leave it empty for the service file's"
        )


def _words(value: str | float | Sequence[Any]) -> Sequence[Any]:
    """Return the items of a list, which papermill's -p gives as text."""
    if isinstance(value, str):
        return value.strip("[] ").replace(",", " ").split()
    return value if isinstance(value, list | tuple) else [value]


def _stages(value: str | float | Sequence[Any]) -> tuple[float, ...]:
    try:
        stages = tuple(float(str(word).rstrip("%")) for word in _words(value))
    except ValueError as error:
        raise UsageError(f"stages {value!r:.80}: use percents, for example [5, 25, 50]") from error
    if list(stages) != sorted(set(stages)) or any(not 0 < stage <= 100 for stage in stages):
        raise UsageError(f"stages {value!r:.80}: use percents above 0 and up to 100, rising, each once")
    return stages
