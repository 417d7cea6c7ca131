"""The logs of a job's failed runs, kept as TIME-exit-N.log, the newest ones only."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pratique.errors import StorageError
from pratique.files import PRIVATE, replace_file
from pratique.jobs.job import Job
from pratique.masked_text import masked
from pratique.printable_text import printable

FOLDER = "logs"
LAST_LINES, LONGEST_LINE = 10, 300


def keep_log(job: Job, text: str, *, ended: datetime, exit_code: int | None, attempt: int = 1) -> Path:
    """Keep the log of a failed run, and remove those that are too many. Raises: StorageError."""
    code = "unknown" if exit_code is None else str(exit_code)
    again = f"-attempt-{attempt}" if attempt > 1 else ""
    path = job.folder / FOLDER / f"{ended:%Y-%m-%dT%H-%M-%SZ}{again}-exit-{code}.log"
    try:
        replace_file(path, text, mode=PRIVATE, durable=False)
        for old in sorted(path.parent.glob("*.log"))[: -job.settings.keep_logs]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{str(path)!r} cannot be written: {error.strerror}: check the state folder") from error
    return path


def last_lines(text: str) -> list[str]:
    """Return the last lines of a log for people: bounded, printable, with what looks like a secret masked."""
    lines = [line for line in text.splitlines() if line.strip()]
    return [printable(masked(line), LONGEST_LINE) for line in lines[-LAST_LINES:]]
