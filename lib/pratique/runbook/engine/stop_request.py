"""A request to stop a run, kept in its folder beside the signal, so that the run can record who asked and why."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pratique.clock import stamp, utc_now
from pratique.files import replace_file
from pratique.kept_json import read_kept
from pratique.runbook.engine.console import STOPPED_BY_SIGNAL

FILE_NAME = "stop.json"


def request_stop(folder: Path, *, who: str, why: str, pid: int) -> None:
    """Keep who asks the process `pid` to stop the run in `folder`, and why. Raises: OSError."""
    request = {"time": stamp(utc_now()), "who": who, "why": why, "pid": pid}
    replace_file(folder / FILE_NAME, json.dumps(request))


def stop_reason(folder: Path) -> str:
    """Return why this process was asked to stop: by a person's request, or by a plain SIGTERM."""
    try:
        request = read_kept(folder / FILE_NAME, dict[str, Any])
        if request["pid"] != os.getpid():  # of an earlier process of this run
            return STOPPED_BY_SIGNAL
        why = f" ({request['why']})" if request["why"] else ""
        return f"stopped by {request['who']}{why}"
    except (OSError, ValueError, KeyError):
        return STOPPED_BY_SIGNAL
