"""What a rollout says while it goes: a line a window for people, an object a look for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from pratique.clock import stamp, utc_now
from pratique.judge.model import SERVICE, GuardResult, Verdict
from pratique.runbook.engine.run import say

WAITING_S = 5.0
"""How often it is said that nothing has come in yet."""


class Progress:
    """Print each look, and append it to the run's progress.jsonl for whoever follows from outside."""

    def __init__(self, path: Path, run: str) -> None:
        """Name the file."""
        self._path = path
        self._run = run
        self._waited = 0.0

    def stage(self, percent: float, shares: Mapping[str, float], text: str) -> None:
        """A stage begins."""
        self._tell({"event": "stage", "stage": percent, "shares": dict(shares), "text": text})

    def look(self, percent: float, windows: int, least: int, shares: Mapping[str, float], verdict: Verdict) -> None:
        """The judge has looked. windows: whole ones of this stage so far; least: what the stage asks for."""
        self._tell(
            {
                "event": "look",
                "stage": percent,
                "windows": windows,
                "shares": dict(shares),
                "requests": verdict.requests,
                "verdict": verdict.verdict,
                "reason": verdict.reason,
                "e_value": min(verdict.e_value, 1e300),
                "needed": verdict.needed,
                "guards": {guard.guard: _guard_json(guard) for guard in _service_level(verdict)},
                "text": look_line(percent, windows, least, verdict),
            }
        )

    def waiting(self, percent: float) -> None:
        """Nothing to judge yet; said every few seconds."""
        if time.monotonic() - self._waited > WAITING_S:
            self._waited = time.monotonic()
            self.tell("waiting", f"{percent:g} %  no canary request is in the store yet")

    def tell(self, event: str, text: str) -> None:
        """Anything else worth a line."""
        self._tell({"event": event, "text": text})

    def _tell(self, said: dict[str, object]) -> None:
        say(f"    {said['text']}")
        line = json.dumps({"time": stamp(utc_now()), "run": self._run, **said})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def look_line(percent: float, windows: int, least: int, verdict: Verdict) -> str:
    """One look in one line: when, stage, requests, evidence, each guard, verdict."""
    whole = f"{windows} of {least}" if windows <= least else f"{windows}"
    requests = " ".join(f"{revision} {count:,}" for revision, count in verdict.requests.items())
    guards = " · ".join(_guard_text(guard) for guard in _service_level(verdict))
    evidence = f"evidence {min(verdict.e_value, 1e9):.3g} of {verdict.needed:.3g}"
    return (
        f"{verdict.end:%H:%M:%S}  {percent:g} %  window {whole}  requests {requests}  {evidence}  "
        f"{guards}  → {verdict.verdict}"
    )


def _service_level(verdict: Verdict) -> list[GuardResult]:
    return [guard for guard in verdict.guards if guard.action == SERVICE]


def _guard_text(guard: GuardResult) -> str:
    ratio = "" if guard.ratio is None else f" {guard.ratio:.2f}x"
    return f"{guard.guard}{ratio} {guard.state}"


def _guard_json(guard: GuardResult) -> dict[str, object]:
    return {"ratio": guard.ratio, "e_value": min(guard.e_value, 1e300), "state": guard.state}
