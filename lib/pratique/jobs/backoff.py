"""The backoff flag of a job: no new run begins while it is set."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

from pratique.clock import stamp, utc_now
from pratique.errors import DeniedError
from pratique.files import PRIVATE, replace_file
from pratique.jobs.job import Job
from pratique.kept_json import read_kept

FILE = "backoff.json"
Mode = Literal["on", "stop"]
MODES = ("on", "stop", "off")


@dataclass(frozen=True)
class Backoff:
    """Who holds a job back, since when and why. mode: "stop" also stopped the run that was there."""

    mode: Mode
    who: str
    why: str
    since: str

    def __str__(self) -> str:
        why = f" ({self.why})" if self.why else ""
        return f"held back by {self.who}{why} since {self.since[:19]}Z"


def read_backoff(job: Job) -> Backoff | None:
    """Return the flag; None when it is not set. A damaged flag still holds the job back."""
    try:
        return read_kept(job.folder / FILE, Backoff)
    except FileNotFoundError:
        return None
    except ValueError:
        return Backoff("on", "a damaged file", f"remove {job.folder / FILE}", "")
    except OSError as error:
        raise DeniedError(
            f"{str(job.folder / FILE)!r} cannot be read: {error.strerror}: check the state folder"
        ) from error


def set_backoff(job: Job, mode: Mode, *, who: str, why: str) -> Backoff:
    """Set the flag. Raises: DeniedError."""
    flag = Backoff(mode, who, why, stamp(utc_now()))
    try:
        replace_file(job.folder / FILE, json.dumps(asdict(flag)), mode=PRIVATE)
    except OSError as error:
        raise DeniedError(f"{str(job.folder)!r} cannot be written: {error.strerror}: check the state folder") from error
    return flag


def clear_backoff(job: Job) -> Backoff | None:
    """Clear the flag; return what it was. Raises: DeniedError."""
    flag = read_backoff(job)
    try:
        (job.folder / FILE).unlink(missing_ok=True)
    except OSError as error:
        raise DeniedError(f"{str(job.folder)!r} cannot be written: {error.strerror}: check the state folder") from error
    return flag
