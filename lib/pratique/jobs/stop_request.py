"""Why a run of a job was stopped, kept before it is stopped, so that whoever records its end can say it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from pratique.errors import DeniedError
from pratique.files import PRIVATE, replace_file
from pratique.jobs.job import Job
from pratique.kept_json import read_kept

FILE = "stop.json"


@dataclass(frozen=True)
class StopRequest:
    """Who stops which run, and why, in one sentence."""

    run: str
    reason: str


def request_stop(job: Job, run: str, reason: str) -> None:
    """Keep why a run is about to be stopped. Raises: DeniedError."""
    try:
        replace_file(job.folder / FILE, json.dumps(asdict(StopRequest(run, reason))), mode=PRIVATE)
    except OSError as error:
        raise DeniedError(f"{str(job.folder)!r} cannot be written: {error.strerror}: check the state folder") from error


def stop_reason(job: Job, run: str) -> str:
    """Return why a run was stopped; "" when nobody asked for it."""
    try:
        found = read_kept(job.folder / FILE, StopRequest)
    except (OSError, ValueError):
        return ""
    return found.reason if found.run == run else ""
