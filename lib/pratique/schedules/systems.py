"""The table of schedulers, and the files that each one needs, filled in from the templates beside this module."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

import yaml
from jinja2 import Environment, StrictUndefined

from pratique.errors import UsageError
from pratique.scheduler_text import cron_line, unit_path, unit_specifiers, unit_word
from pratique.schedules.report import ScheduledReport

SYSTEMS: Mapping[str, Mapping[str, str]] = {
    "cron": {"cron.j2": "/etc/cron.d/{name}"},
    "systemd": {
        "service.j2": "/etc/systemd/system/{name}.service",
        "timer.j2": "/etc/systemd/system/{name}.timer",
    },
    "airflow": {"airflow.py.j2": "dags/{module}.py"},
    "github": {"github.yml.j2": ".github/workflows/{name}.yml"},
    "gitlab": {"gitlab.yml.j2": "{name}.gitlab-ci.yml"},
    "jenkins": {"Jenkinsfile.j2": "{name}.Jenkinsfile"},
    "kubernetes": {"kubernetes.yaml.j2": "{name}.yaml"},
}
"""System → template → the place of the file. Each system shows a run as failed when the report ends with an error."""


def schedule_files(system: str, report: ScheduledReport) -> dict[str, str]:
    """Return place → content of the files that make a system run the report.

    Raises: UsageError for an unknown system, and for Kubernetes without an image.
    """
    if system not in SYSTEMS:
        raise UsageError(f"{system[:40]!r} is not a scheduler that is known: give {', '.join(SYSTEMS)}")
    if system == "kubernetes" and not report.image:
        raise UsageError(
            "a Kubernetes job needs the image of the suite: give --image REGISTRY/pratique:TAG; examples/suite/Dockerfile builds it"
        )
    names = {"name": report.name, "module": report.name.replace("-", "_")}
    return {place.format(**names): _filled(template, report) for template, place in SYSTEMS[system].items()}


def _filled(template: str, report: ScheduledReport) -> str:
    source = files("pratique.schedules").joinpath("templates", template).read_text(encoding="utf-8")
    return _environment().from_string(source).render(report=report)


@cache
def _environment() -> Environment:
    # the files are no HTML; each value is quoted by the filter of its language
    made = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)  # noqa: S701
    made.filters.update(_QUOTES)
    return made


def _systemd_line(words: list[str]) -> str:
    return " ".join(f'"{unit_word(word)}"' for word in words)


def _groovy(text: str) -> str:
    """A Groovy string without interpolation."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def _no_jinja(command: str) -> str:
    """Keep Airflow from replacing anything in a command."""
    parts = command.split("{% endraw %}")
    return (
        "{{ '{% endraw %}' }}".join("{% raw %}" + part + "{% endraw %}" for part in parts)
        if "{" in command
        else command
    )


_QUOTES: dict[str, Callable[..., str]] = {
    "shell": shlex.quote,
    "shell_line": shlex.join,
    "cron_percent": cron_line,
    "specifiers": unit_specifiers,
    "unit_path": unit_path,
    "systemd_line": _systemd_line,
    "python": repr,
    "quoted": lambda text: yaml.safe_dump(text, default_style='"', width=math.inf, allow_unicode=True).strip(),
    "groovy": _groovy,
    "no_jinja": _no_jinja,
    # GitHub replaces these marks before the shell sees them
    "no_expression": lambda text: text.replace("${{", "${{ '${{' }}"),
}
