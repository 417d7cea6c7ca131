"""A chart of the evidence that follows a rollout in JupyterLab."""

from __future__ import annotations

import time
from typing import Any

from pratique.figures import evidence_over_time
from pratique.judge.model import Verdict
from pratique.runbook.canary.approval import can_ask

EVERY_S = 2.0
"""The least time between two drawings: each one is sent to the browser whole."""


class LiveChart:
    """Draws the evidence where a person watches; elsewhere it does nothing."""

    def __init__(self) -> None:
        """Draw nothing before the first verdict."""
        self._watched = can_ask()
        self._handle: Any = None
        self._drawn = 0.0

    def draw(self, verdict: Verdict) -> None:
        """Draw the evidence up to a verdict, in place of the drawing before."""
        if not self._watched or time.monotonic() - self._drawn < EVERY_S:
            return
        from IPython.display import display  # noqa: PLC0415 - only in a kernel

        self._drawn = time.monotonic()
        if self._handle is None:
            self._handle = display(evidence_over_time(verdict), display_id=True)
        else:
            self._handle.update(evidence_over_time(verdict))
