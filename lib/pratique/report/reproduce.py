"""How to reproduce a comparison: the exact commands, versions, data and policy, and hashes to check the result."""

from __future__ import annotations

import json
import platform
import shlex
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pratique.report.comparison import Comparison

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.figures.panels import Panel

PACKAGES = ("pratique", "numpy", "pyarrow", "duckdb", "deltalake", "plotly")


def reproduction(comparison: Comparison) -> Panel:
    """Show how to reproduce a comparison: commands, versions, data, policy, and hashes of policy and results.

    The commands name the exact range that was judged, so data that arrives later does not change the result.
    """
    from pratique.figures.panels import reproduction_panel  # noqa: PLC0415 - plotly

    verdict = comparison.verdict
    policy = comparison.config.service(verdict.service).judge.model_dump(mode="json")
    facts = {
        "data": f"{comparison.rows:,} rollups of {sum(verdict.requests.values()):,} requests from {shown_store(comparison.config)}",
        "range": f"{verdict.start:%Y-%m-%dT%H:%M:%SZ} to {verdict.end:%Y-%m-%dT%H:%M:%SZ}, and the history before it",
        "service file": comparison.config.file or "none (defaults)",
        "method": f"{verdict.method}; alpha {verdict.alpha:g}, alpha to promote {verdict.alpha_promote:g}",
        "versions": versions(),
        "sha256 of the policy": hash_of(policy),
        "sha256 of the results": hash_of(verdict.to_json()["guards"]),
    }
    return reproduction_panel(_commands(comparison), facts, json.dumps(policy, indent=1))


def hash_of(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of a value."""
    return sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


def versions() -> str:
    """Return the versions of Python and of the packages that an answer depends on."""
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES)])


def shown_store(config: Config) -> str:
    """Return the address of the store, without a password."""
    from pratique.store.location import shown  # noqa: PLC0415 - deltalake

    return shown(config.store.url)


def _commands(comparison: Comparison) -> list[str]:
    verdict, question = comparison.verdict, comparison.question
    values = {
        "start": f"{verdict.start:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{min(verdict.end, question.end or verdict.end):%Y-%m-%dT%H:%M:%SZ}",
        "config": comparison.config.file,
        "store": shown_store(comparison.config),
    }
    given = {name: value for name, value in values.items() if value}
    weight = {"weight": f"{question.weight:g}"} if question.weight else {}
    names = {"service": verdict.service, "baseline": verdict.baseline, "canary": verdict.canary}
    command = ["pratique", "report", *names.values(), *options("--{}", given | weight)]
    papermill = ["papermill", "notebooks/canary_report.ipynb", "report.ipynb", *options("-r {}", names | given)]
    return [shlex.join(command), shlex.join(papermill + options("-p {}", weight))]


def options(form: str, values: dict[str, str]) -> list[str]:
    """Return names and values as words of a command. form: of the name, such as "--{}"."""
    return [word for name, value in values.items() for word in (*form.format(name).split(), value)]
