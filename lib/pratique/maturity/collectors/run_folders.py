"""The files in the folders of runs, read so that no damage or link in them matters."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from pratique.maturity.sources import Sources

LARGEST = 8 << 20


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines, bounded; damaged lines are left out."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(LARGEST) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    except (OSError, ValueError):
        return []
    found = []
    for line in content.split(b"\n"):
        try:
            value = json.loads(line) if line else None
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def run_folder(sources: Sources, run: str) -> Path | None:
    """Return the folder of a run; None where there is none."""
    return sources.runs.get(run)


def approvals_of(sources: Sources, run: str) -> set[str] | None:
    """Return who approved stages of a run; None where that is not known, because its journal is gone or cannot be read."""
    folder = run_folder(sources, run)
    if folder is None or not lines_of(folder / "journal.jsonl"):
        return None
    return {str(line.get("who", "")) for line in lines_of(folder / "answers.jsonl") if line.get("answer") == "approve"}
