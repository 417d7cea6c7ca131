"""The parameters that every runbook takes, checked before anything is done with them."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from pratique.clock import utc_now
from pratique.config import DEFAULT_FILE, check_name
from pratique.errors import UsageError

INJECTED = "# Parameters\n"
"""The first line of the cell in which papermill puts the parameters that it was given."""


@dataclass(frozen=True, kw_only=True)
class RunParameters:
    """The parameters that every runbook takes. Empty text means the service file's setting, or the environment's."""

    config: str
    store: str
    run_id: str
    why: str
    who: str
    dry_run: bool

    def to_json(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the parameters that `to_json` gave."""
        given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in value.items()}
        return cls(**given)

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of all parameters."""
        return [item.name for item in fields(cls)]


def check_run_parameters(
    *,
    run_id_words: Sequence[str],
    config: str = "",
    store: str = "",
    run_id: str = "",
    why: str = "",
    who: str = "",
    dry_run: bool = False,
) -> RunParameters:
    """Check the parameters that every runbook takes. run_id_words: what a generated run id is made of.

    Raises: UsageError naming the parameter, its value, and the accepted values.
    """
    require_text({"config": config, "store": store, "run_id": run_id, "why": why, "who": who})
    require_flag("dry_run", dry_run)
    return RunParameters(
        config=_config_file(config),
        store=_store_address(store or os.environ.get("PRATIQUE_STORE", "")),
        run_id=check_name("run_id", run_id) if run_id else new_run_id(*run_id_words),
        why=why,
        who=who,
        dry_run=dry_run,
    )


def new_run_id(*words: str) -> str:
    """Return a new run id made of words and the current time; empty words are left out."""
    return "-".join([*(word[:40] for word in words if word), f"{utc_now():%Y%m%dT%H%M%S}"])


def refuse_unknown(known: Sequence[str]) -> None:
    """Refuse a parameter that the runbook does not take. Plain papermill only warns about it.

    Raises: UsageError naming it.
    """
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only a notebook has it loaded

    shell = get_ipython()
    cells = shell.user_ns.get("In", []) if shell else []
    for cell in cells:
        if cell.startswith(INJECTED):
            unknown = [name for name in _assigned(cell) if name not in known]
            if unknown:
                raise UsageError(f"the runbook has no parameter {unknown[0]!r:.80}: it accepts {', '.join(known)}")


def require_text(given: Mapping[str, Any]) -> None:
    """Raises: UsageError naming the first parameter that is not text."""
    for name, value in given.items():
        if not isinstance(value, str):
            raise UsageError(f"{name} is {value!r:.80}, not text: under papermill use -r {name} {value!r:.80}")


def require_flag(name: str, value: object) -> None:
    """Raises: UsageError when the parameter is neither true nor false."""
    if not isinstance(value, bool):
        raise UsageError(f"{name} is {value!r:.80}: it must be true or false")


def _assigned(cell: str) -> list[str]:
    targets = [target for line in ast.parse(cell).body if isinstance(line, ast.Assign) for target in line.targets]
    return [target.id for target in targets if isinstance(target, ast.Name) and not target.id.startswith("papermill")]


def _config_file(given: str) -> str:
    """Return the absolute path of the service file, because another process may look from elsewhere; "" if none."""
    named = given or os.environ.get("PRATIQUE_CONFIG", "") or (DEFAULT_FILE if Path(DEFAULT_FILE).exists() else "")
    return str(Path(named).resolve()) if named else ""


def _store_address(store: str) -> str:
    return store if "://" in store or not store else str(Path(store).absolute())
