"""The parameters of runbooks/scheduled_job.ipynb, checked."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pratique.config import check_name
from pratique.errors import UsageError
from pratique.jobs.backoff import MODES
from pratique.runbook.common.parameters import RunParameters, check_run_parameters, require_flag, require_text


@dataclass(frozen=True, kw_only=True)
class JobParameters(RunParameters):
    """The parameters of a run of a job. Empty text and () mean the settings of the service file.

    command: in place of the job's own. revision: in place of the one that serves. backoff: "on", "stop", "off" or "" to
    leave the flag as it is. wait: for the end of the run.
    """

    job: str
    command: tuple[str, ...]
    revision: str
    backoff: str
    wait: bool


def check_job_parameters(
    *,
    job: str,
    command: str | Sequence[str] = "",
    revision: str = "",
    backoff: str = "",
    wait: bool = True,
    runbook: str = "",
    **common: Any,
) -> JobParameters:
    """Check the parameters as a notebook or papermill gives them. `common`: those of every runbook.

    Raises: UsageError naming the parameter, its value, and the accepted values.
    """
    require_text({"job": job, "revision": revision, "backoff": backoff})
    require_flag("wait", wait)
    if backoff and backoff not in MODES:
        raise UsageError(f"backoff is {backoff!r:.80}: use {', '.join(map(repr, MODES))}, or leave it empty")
    parameters = check_run_parameters(run_id_words=(check_name("job", job), runbook), **common)
    return JobParameters(
        **vars(parameters),
        job=job,
        command=_words(command),
        revision=check_name("revision", revision) if revision else "",
        backoff=backoff,
        wait=wait,
    )


def _words(command: str | Sequence[str]) -> tuple[str, ...]:
    """Return the words of a command; text is divided as a shell divides it."""
    try:
        words = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise UsageError(f"command is {command!r:.80}: {error}") from None
    for word in words:
        require_text({"command": word})
    return tuple(words)
