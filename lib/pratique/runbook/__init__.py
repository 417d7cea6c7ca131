"""Runbooks: releases and rollbacks that survive the death of any process.

Packages, each importing only from those before it: engine, common (what every runbook has), service, canary, release and rollback; on top
registry, recovery, opening, launcher and watchdog_main.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pratique.runbook.launcher import launch
    from pratique.runbook.opening import open_job, open_release, open_rollback
    from pratique.runbook.service.orphans import find_orphans

__all__ = ["find_orphans", "launch", "open_job", "open_release", "open_rollback"]

_HOMES = {
    "find_orphans": "pratique.runbook.service.orphans",
    "launch": "pratique.runbook.launcher",
    "open_job": "pratique.runbook.opening",
    "open_release": "pratique.runbook.opening",
    "open_rollback": "pratique.runbook.opening",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
