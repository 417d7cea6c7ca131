"""The progress of a rollout: one line per window for people, one JSON object per look for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from pratique.clock import stamp, utc_now
from pratique.files import open_private
from pratique.judge.model import SERVICE, GuardResult, Verdict
from pratique.judge.text import ratio_shown
from pratique.number_text import evidence, factor
from pratique.runbook.engine.console import say_detail

WAITING_EVERY_S = 5.0
"""How often to print that no request has arrived yet."""


class Progress:
    """Print each look, and append it to the run's progress.jsonl for programs that follow the rollout."""

    def __init__(self, path: Path, run: str) -> None:
        """Name the file."""
        self._path = path
        self._run = run
        self._waited = 0.0
        self._looked = ""

    def stage(self, percent: float, shares: Mapping[str, float], text: str) -> None:
        """Report that a stage begins."""
        self._write({"event": "stage", "stage": percent, "shares": dict(shares), "text": text})

    def look(
        self, percent: float, windows: int, min_windows: int, shares: Mapping[str, float], verdict: Verdict
    ) -> None:
        """Report a look, unless it says the same as the one before.

        windows: complete windows of this stage so far; min_windows: those that the stage needs.
        """
        text = look_line(percent, windows, min_windows, verdict)
        if text == self._looked:
            return
        self._looked = text
        self._write(
            {
                "event": "look",
                "stage": percent,
                "windows": windows,
                "shares": dict(shares),
                "requests": verdict.requests,
                "verdict": verdict.verdict,
                "reason": verdict.reason,
                "summary": verdict.summary,
                "e_value": min(verdict.e_value, 1e300),
                "needed": verdict.needed,
                "guards": {guard.guard: _guard_json(guard) for guard in _service_level(verdict)},
                "text": text,
            }
        )

    def waiting(self, percent: float) -> None:
        """Report, every few seconds, that there is nothing to judge yet."""
        if time.monotonic() - self._waited > WAITING_EVERY_S:
            self._waited = time.monotonic()
            self.event("waiting", f"{percent:g} %  no canary requests in the store yet")

    def event(self, event: str, text: str) -> None:
        """Report any other event in one line."""
        self._write({"event": event, "text": text})

    def _write(self, event: dict[str, object]) -> None:
        say_detail(str(event["text"]))
        line = json.dumps({"time": stamp(utc_now()), "run": self._run, **event})
        with open_private(self._path, "a", encoding="utf-8") as file:
            file.write(line + "\n")


def look_line(percent: float, windows: int, min_windows: int, verdict: Verdict) -> str:
    """Return one look as one line: time, stage, requests, evidence, each guard, verdict."""
    window = f"{windows} of {min_windows}" if windows <= min_windows else f"{windows}"
    requests = " ".join(f"{revision} {number:,}" for revision, number in verdict.requests.items())
    guards = " · ".join(_guard_text(guard, verdict) for guard in _service_level(verdict))
    words = f": {verdict.summary}" if verdict.cause is not None or verdict.verdict != "continue" else ""
    return (
        f"{verdict.end:%H:%M:%S}  {percent:g} %  window {window}  requests {requests}  "
        f"evidence {evidence(verdict.e_value)} of {evidence(verdict.needed)}  {guards}  → {verdict.verdict}{_held(verdict)}{words}"
    )


def _held(verdict: Verdict) -> str:
    """What holds a promotion, which no guard of the line shows."""
    kinds = dict.fromkeys(finding.kind for finding in verdict.findings if finding.effect == "hold")
    return f" (held: {', '.join(kinds)})" if kinds else ""


def _service_level(verdict: Verdict) -> list[GuardResult]:
    return [guard for guard in verdict.guards if guard.action == SERVICE]


def _guard_text(guard: GuardResult, verdict: Verdict) -> str:
    ratio = "" if guard.ratio is None else f" {factor(ratio_shown(guard, verdict))}"
    return f"{guard.guard}{ratio} {guard.state}"


def _guard_json(guard: GuardResult) -> dict[str, object]:
    return {"ratio": guard.ratio, "e_value": min(guard.e_value, 1e300), "state": guard.state}
