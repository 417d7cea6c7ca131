"""The verdict as plain text: one line per guard, and a table for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pratique.judge.model import SERVICE, GuardResult, Verdict
from pratique.judge.outcome_text import printable
from pratique.number_text import UNKNOWN, count, duration, evidence, factor, interval, plural

MAX_LISTED = 3
"""How many names a sentence lists."""


def guard_line(guard: GuardResult, verdict: Verdict) -> str:
    """Return one guard in one line: ratio, confidence sequence, counts and evidence, as they were judged."""
    return f"{label(guard)}: {numbers(guard, verdict)}"


def label(guard: GuardResult) -> str:
    """Return the guard's name, after its action's if it has one: no control characters, of limited length."""
    return printable(guard.guard if guard.action == SERVICE else f"{guard.action} {guard.guard}")


def numbers(guard: GuardResult, verdict: Verdict) -> str:
    """Return the numbers of a guard: "2.9x [1.7, 5.1], 31/1,020 canary against 98/9,310 baseline, evidence 12 of 100 needed"."""
    if guard.state == "not evaluated":
        return "not evaluated"
    sides = [
        f"{count(guard.bad[revision])}/{count(guard.requests[revision])} {role}"
        for role, revision in (("canary", verdict.canary), ("baseline", verdict.baseline))
    ]
    return f"{ratio(guard, verdict)}, {' against '.join(sides)}, {evidence_line(guard, verdict)}"


def ratio(guard: GuardResult, verdict: Verdict) -> str:
    """Return the ratio with its confidence sequence: "2.9x [1.7, 5.1]", "∞ [3.3, ∞]", or "unknown"."""
    bounds = interval(guard.ratio_low, guard.ratio_high)
    middle = factor(ratio_shown(guard, verdict))
    return (
        middle
        if middle == UNKNOWN and guard.ratio_low in (None, 0.0) and guard.ratio_high is None
        else f"{middle} {bounds}"
    )


def ratio_shown(guard: GuardResult, verdict: Verdict) -> float | None:
    """Return the odds ratio for display: infinite where only the canary, and 0 where only the baseline has bad requests.

    The judge's estimate ends at 20 and at 1/20.
    """
    if not guard.bad[verdict.baseline] and guard.bad[verdict.canary] and (guard.ratio is not None or guard.ratio_low):
        return math.inf
    if guard.ratio is None:
        return None
    return guard.ratio if guard.bad[verdict.canary] else 0.0


def evidence_line(guard: GuardResult, verdict: Verdict) -> str:
    """Return the evidence of a guard beside the evidence needed, at the one time at which it is compared with it.

    That is the end of the range or, of a guard that rolled the canary back, the time at which the evidence of all guards
    together was enough.
    """
    now, needed = evidence(guard.e_value), evidence(verdict.needed)
    if guard.state == "worse" and guard.e_value_fired is not None and verdict.fired is not None:
        then = evidence(guard.e_value_fired)
        later = f", {now} at the end" if now != then else ""
        return f"evidence {then} of {needed} needed at {verdict.fired:%H:%M:%S}{later}"
    if guard.state == "suspect" and guard.on_worse == "rollback":
        return f"evidence {now} alone, {evidence(verdict.e_value)} of {needed} needed with all guards together"
    return f"evidence {now} of {needed} needed"


def headline(verdict: Mapping[str, Any]) -> str:
    """Return a verdict, given as JSON, in one or two lines: in words, and the numbers of the guard that they are about."""
    words = f"{verdict['verdict']}: {verdict['summary']}"
    return words if verdict["cause"] is None else f"{words}\n  {verdict['cause']['reason']}"


def table(verdict: Verdict) -> str:
    """Return the comparison for a terminal: verdict, every guard of the service, other causes and suspects, findings."""
    requests = ", ".join(f"{plural(number, 'request')} of {revision}" for revision, number in verdict.requests.items())
    lines = [headline(verdict.to_json())]
    lines += [
        "",
        f"{verdict.service}: canary {verdict.canary} against baseline {verdict.baseline}, {requests}",
        f"{verdict.start:%Y-%m-%d %H:%M:%S} to {verdict.end:%Y-%m-%d %H:%M:%S} UTC, windows of {verdict.window_s} s",
        "",
    ]
    shown = [g for g in verdict.guards if g.action == SERVICE or g.flagged or g.state in ("worse", "suspect")]
    width = max((len(label(guard)) for guard in shown), default=0)
    lines += [f"  {guard.state:<13} {label(guard):<{width}}  {_rest(guard, verdict)}" for guard in shown]
    lines += ["", combined_line(verdict)]
    if verdict.lacking not in verdict.summary:
        lines.append(f"lacking: {verdict.lacking}")
    lines += [f"{finding.kind} ({finding.effect}): {finding.message}" for finding in verdict.findings]
    return "\n".join(lines)


def combined_line(verdict: Verdict) -> str:
    """Return the evidence of all guards together, and when it was enough."""
    needed = f"{evidence(verdict.needed)} needed to roll back"
    if verdict.fired is None:
        return f"evidence of all guards together: {evidence(verdict.e_value)} of {needed}"
    reached = f"{needed}, reached at {verdict.fired:%H:%M:%S}"
    return f"evidence of all guards together: {reached}; {evidence(verdict.e_value)} at the end"


def _rest(guard: GuardResult, verdict: Verdict) -> str:
    slow = f" (slower than {duration(guard.threshold_ms)})" if guard.threshold_ms is not None else ""
    return numbers(guard, verdict) + slow


def listed(names: Sequence[str]) -> str:
    """Return names as a part of a sentence, at most MAX_LISTED of them.

    >>> listed(["5xx"]), listed(["5xx", "p50"]), listed(["5xx", "4xx", "p50", "p95", "p99"])
    ('5xx', '5xx and p50', '5xx, 4xx, p50 and 2 more')
    """
    shown = list(names[:MAX_LISTED]) + ([f"{len(names) - MAX_LISTED} more"] if len(names) > MAX_LISTED else [])
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)
