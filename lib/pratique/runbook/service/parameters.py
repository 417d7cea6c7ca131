"""What is asked of a runbook: its parameters, checked before anything is done with them."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from pratique.clock import utc_now
from pratique.config import DEFAULT_FILE, check_name
from pratique.errors import UsageError

INJECTED = "# Parameters\n"
"""How the cell begins in which papermill puts the parameters it was given."""


@dataclass(frozen=True)
class Asked:
    """What every runbook that changes a service takes. Empty text takes the service file's, or the environment's."""

    service: str
    revision: str
    config: str
    store: str
    run_id: str
    why: str
    who: str
    dry_run: bool

    def to_json(self) -> dict[str, Any]:
        """The parameters as plain JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The parameters that `to_json` gave."""
        given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in value.items()}
        return cls(**given)


@dataclass(frozen=True)
class ReleaseAsked(Asked):
    """The parameters of runbooks/release.ipynb, checked. () and 0 take the service file's."""

    stages: tuple[float, ...]
    approval: str
    approvals: tuple[str, ...]
    baseline: str
    deadline_min: float


def checked(
    *,
    stages: str | Sequence[float] = (),
    approval: str = "",
    approvals: str | Sequence[str | float] = "",
    baseline: str = "",
    deadline_min: float = 0.0,
    **common: Any,
) -> ReleaseAsked:
    """Check the parameters of a release as a notebook or papermill gives them; `common`: those of every runbook.

    Raises: UsageError naming the parameter, what it got, and what it takes.
    """
    _texts({"approval": approval, "baseline": baseline})
    if isinstance(deadline_min, bool) or not isinstance(deadline_min, int | float) or not 0 <= deadline_min < 1e6:
        raise UsageError(f"deadline_min is {deadline_min!r:.80}: it takes minutes, 0 for the service file's")
    _one_of("approval", approval, ("automatic", "ask"))
    _one_of("baseline", baseline, ("running", "fresh"))
    asked = checked_common(**common)
    return ReleaseAsked(
        **{**vars(asked), "revision": check_name("revision", asked.revision)},
        stages=_stages(stages),
        approval=approval,
        approvals=tuple(str(word) for word in _words(approvals)),
        baseline=baseline,
        deadline_min=float(deadline_min),
    )


def checked_common(
    *,
    service: str,
    revision: str = "",
    config: str = "",
    store: str = "",
    run_id: str = "",
    why: str = "",
    who: str = "",
    dry_run: bool = False,
    runbook: str = "",
) -> Asked:
    """Check what every runbook takes. runbook: a word for the run ids that are made up.

    Raises: UsageError naming the parameter, what it got, and what it takes.
    """
    texts = {"service": service, "revision": revision, "config": config, "store": store, "run_id": run_id}
    _texts({**texts, "why": why, "who": who})
    if not isinstance(dry_run, bool):
        raise UsageError(f"dry_run is {dry_run!r:.80}: it takes true or false")
    check_name("service", service)
    return Asked(
        service=service,
        revision=check_name("revision", revision) if revision else "",
        config=_config_file(config),
        store=_place(store or os.environ.get("PRATIQUE_STORE", "")),
        run_id=check_name("run_id", run_id) if run_id else new_run_id(service, runbook, revision),
        why=why,
        who=who,
        dry_run=dry_run,
    )


def new_run_id(*subject: str) -> str:
    """A name for a run that was given none; empty words are left out."""
    return "-".join([*(word[:40] for word in subject if word), f"{utc_now():%Y%m%dT%H%M%S}"])


def refuse_unknown(known: Sequence[str]) -> None:
    """Under plain papermill, which only warns: refuse a parameter that the runbook does not take.

    Raises: UsageError naming it.
    """
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only a notebook has it loaded

    shell = get_ipython()
    cells = shell.user_ns.get("In", []) if shell else []
    for cell in cells:
        if cell.startswith(INJECTED):
            unknown = [name for name in _assigned(cell) if name not in known]
            if unknown:
                raise UsageError(f"the runbook takes no parameter {unknown[0]!r:.80}: it takes {', '.join(known)}")


def _assigned(cell: str) -> list[str]:
    targets = [target for line in ast.parse(cell).body if isinstance(line, ast.Assign) for target in line.targets]
    return [target.id for target in targets if isinstance(target, ast.Name) and not target.id.startswith("papermill")]


def _texts(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if not isinstance(value, str):
            raise UsageError(f"{name} is {value!r:.80}, not text: under papermill give it with -r {name} {value!r:.80}")


def _one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value and value not in allowed:
        raise UsageError(
            f"{name} is {value!r:.80}: it takes {' or '.join(map(repr, allowed))}, or nothing for the service file's"
        )


def _words(value: str | float | Sequence[Any]) -> Sequence[Any]:
    """The items of a list, which papermill's -p gives as text."""
    if isinstance(value, str):
        return value.strip("[] ").replace(",", " ").split()
    return value if isinstance(value, list | tuple) else [value]


def _stages(value: str | float | Sequence[Any]) -> tuple[float, ...]:
    try:
        stages = tuple(float(str(word).rstrip("%")) for word in _words(value))
    except ValueError as error:
        raise UsageError(f"stages {value!r:.80}: give percents, as [5, 25, 50]") from error
    if list(stages) != sorted(set(stages)) or any(not 0 < stage <= 100 for stage in stages):
        raise UsageError(f"stages {value!r:.80}: give percents above 0 up to 100, rising, each once")
    return stages


def _config_file(given: str) -> str:
    """The service file as an absolute path, so that another process finds it from anywhere; "" where there is none."""
    named = given or os.environ.get("PRATIQUE_CONFIG", "") or (DEFAULT_FILE if Path(DEFAULT_FILE).exists() else "")
    return str(Path(named).absolute()) if named else ""


def _place(store: str) -> str:
    return store if "://" in store or not store else str(Path(store).absolute())
