"""Ledgers of releases, rollbacks and incidents as runbooks write them, for tests of what is derived from a ledger."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pratique.ledger import Ledger


class LedgerStory:
    """Writes the entries of one service at given times."""

    def __init__(self, ledger: Ledger, start: datetime, service: str = "shop") -> None:
        self.ledger, self.start, self.service = ledger, start, service
        self.serving = ""
        self.runs = 0

    def at(self, hours: float) -> datetime:
        """The time so many hours after the start."""
        return self.start + timedelta(hours=hours)

    def first(self, revision: str, hours: float = 0.0, **data: Any) -> None:
        """Put a first revision in place, as `pratique up` does."""
        self._write("release", hours, revision, None, {"event": "first", "digest": f"sha256:{revision}", **data})
        self._share(hours, revision, None, {revision: 1.0})
        self.serving = revision

    def release(
        self,
        revision: str,
        hours: float,
        *,
        verdict: str = "promote",
        took: float = 0.5,
        run: str = "",
        requests: dict[str, int] | None = None,
        guards: dict[str, Any] | None = None,
        by: str = "judge",
        reason: str = "",
        **data: Any,
    ) -> str:
        """Release a revision. hours: when the run ends, `took` hours after it began. data: of its first entry. Return the run."""
        run = run or self._run(f"release-{revision}")
        baseline, began = self.serving, hours - took
        self._write(
            "release",
            began,
            revision,
            run,
            {"event": "started", "baseline": baseline, "digest": f"sha256:{revision}"} | data,
        )
        self._share(began, revision, run, {baseline: 1.0, revision: 0.0})
        self._share(began + took / 10, revision, run, {baseline: 0.9, revision: 0.1})
        judged = {"decision": verdict, "by": by, "reason": reason, "requests": requests or {}, "guards": guards or {}}
        self._write("verdict", hours, revision, run, judged)
        winner = revision if verdict == "promote" else baseline
        self._share(hours, revision, run, {winner: 1.0})
        outcome = {"promote": "promoted", "rollback": "rolled back"}.get(verdict, "inconclusive")
        self._write("release", hours, revision, run, {"event": "ended", "outcome": outcome, "verdict": verdict})
        self.serving = winner
        return run

    def rollback(self, revision: str, hours: float, **data: Any) -> str:
        """Roll back to a revision."""
        run = self._run(f"rollback-{revision}")
        started = {"event": "started", "runbook": "rollback", "baseline": self.serving, "digest": f"sha256:{revision}"}
        self._write("release", hours, revision, run, started | data)
        self._share(hours, revision, run, {revision: 1.0})
        self._write("release", hours, revision, run, {"event": "ended", "outcome": "reverted", "verdict": None})
        self.serving = revision
        return run

    def incident(
        self, unique: str, hours: float, *, cause: str = "", restored: float | None = None, closed: float | None = None
    ) -> None:
        """Open an incident that began at a time, and tell what became of it."""
        data: dict[str, Any] = {"event": "opened", "source": "pratique", "id": unique, "title": "checkout fails"}
        times = {"began": hours, "restored": restored, "closed": closed}
        data |= {name: f"{self.at(h):%Y-%m-%dT%H:%M:%S.%fZ}" for name, h in times.items() if h is not None}
        self._write("incident", hours, None, None, data | ({"cause": cause} if cause else {}))

    def _run(self, name: str) -> str:
        self.runs += 1
        return f"{name}-{self.runs}"

    def _share(self, hours: float, revision: str, run: str | None, shares: dict[str, float]) -> None:
        self._write("weight", hours, revision, run, {"shares": shares})

    def _write(self, kind: str, hours: float, revision: str | None, run: str | None, data: dict[str, Any]) -> None:
        self.ledger.append(kind, self.service, who="ann", revision=revision, run=run, data=data, time=self.at(hours))
