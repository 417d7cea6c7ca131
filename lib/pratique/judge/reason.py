"""The reason of a verdict: in words for a person at first reading, and with the numbers behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pratique.judge.model import Finding, GuardResult, Remaining, Verdict
from pratique.judge.outcome_text import sentence
from pratique.judge.text import guard_line, listed
from pratique.number_text import evidence, plural


@dataclass(frozen=True)
class Reason:
    """Why a verdict is what it is, each in one line.

    summary: in words. full: the same with the numbers of a guard, and what is lacking. lacking: what a promotion still
    lacks; "" once that is decided.
    """

    summary: str
    full: str
    lacking: str = ""

    @classmethod
    def of(cls, text: str) -> Reason:
        """Return a reason that has no numbers of a guard."""
        return cls(text, text)


def suspect_of(verdict: Verdict, results: Sequence[GuardResult]) -> GuardResult | None:
    """Return the guard with the most evidence, if there is enough of it to name the guard; None otherwise.

    It is named when its own evidence is enough, or when that of all guards together is half way (on the log scale).
    results: those of the guards that can stop a canary.
    """
    found = [guard for guard in results if guard.state in ("suspect", "open")]
    if verdict.e_value < math.sqrt(verdict.needed):
        found = [guard for guard in found if guard.state == "suspect"]
    worst = max(found, key=lambda guard: guard.e_value, default=None)
    return worst if worst is not None and worst.e_value > 1.0 else None


def why_rolled_back(verdict: Verdict, cause: GuardResult, *, warmup_windows: int) -> Reason:
    """Return the reason of a rollback by evidence. cause: the guard that fired, with its numbers of that moment."""
    summary = sentence(cause, verdict.baseline, verdict.canary)
    summary += _most_frequent(verdict, cause) + _only_at_first(verdict, cause, warmup_windows)
    return Reason(summary, f"{summary} ({guard_line(cause, verdict)})")


def _most_frequent(verdict: Verdict, cause: GuardResult) -> str:
    """The code that a cause of several codes is mostly about, as far as it is known already."""
    if cause.outcome != "other":
        return ""
    codes = [
        g for g in verdict.guards if g.guard == f"code {g.outcome}" and g.action == cause.action and g.state == "worse"
    ]
    found = max(codes, key=lambda guard: guard.bad[verdict.canary], default=None)
    return f"; most of them are {found.outcome}" if found is not None else ""


def _only_at_first(verdict: Verdict, cause: GuardResult, warmup_windows: int) -> str:
    """A hint at the warm-up, where a slow canary was slow only at first."""
    now = next((g for g in verdict.guards if (g.guard, g.action) == (cause.guard, cause.action)), None)
    if cause.threshold_ms is None or now is None or now.e_value >= verdict.needed:
        return ""
    return (
        f"; later the evidence fell to {evidence(now.e_value)}: if the canary was only cold at first, "
        f"raise warmup_windows ({warmup_windows})"
    )


def why_promoted(verdict: Verdict, guards: Sequence[str]) -> Reason:
    """Return the reason of a promotion. guards: the names of those that must be shown to be met."""
    within = "no guard is worse"
    if guards:
        within = f"{listed(guards)} {'are within their tolerances' if len(guards) > 1 else 'is within its tolerance'}"
    return Reason.of(f"{within} after {plural(verdict.requests[verdict.canary], 'canary request')}")


def why_undecided(
    verdict: Verdict,
    *,
    suspect: GuardResult | None,
    deadline_min: float | None,
    waiting: Sequence[GuardResult],
    held: Sequence[Finding],
    remaining: Remaining | None,
) -> Reason:
    """Return the reason why a canary is neither promoted nor rolled back by evidence: suspect, deadline, and missing evidence.

    suspect: the guard to name first. deadline_min: the deadline in minutes if it has passed. waiting: guards that are not
    met. held: findings that hold the promotion. remaining: the traffic that is still needed.
    """
    lacking = "; ".join([_lacking(verdict, waiting, held), *([remaining.message] if remaining else [])])
    deadline = f"the deadline of {deadline_min:g} min has passed" if deadline_min is not None else ""
    rest = f"{deadline}: {lacking}" if deadline else lacking
    if suspect is None:
        return Reason(f"{deadline} without a decision" if deadline and not held else rest, rest, lacking)
    summary = sentence(suspect, verdict.baseline, verdict.canary)
    if suspect.on_worse == "rollback" or suspect.e_value < verdict.needed:
        summary = f"suspected, but not yet certain: {summary}"
    return Reason(summary, f"{summary} ({guard_line(suspect, verdict)}); {rest}", lacking)


def _lacking(verdict: Verdict, waiting: Sequence[GuardResult], held: Sequence[Finding]) -> str:
    if held:
        return f"{held[0].kind}: {held[0].message}"
    if waiting:
        return f"not yet shown to be within tolerance: {', '.join(guard.guard for guard in waiting)}"
    if any(guard.flagged for guard in verdict.guards):
        return "an action that looks worse holds the promotion"
    return f"only {plural(verdict.requests[verdict.canary], 'canary request')}"
