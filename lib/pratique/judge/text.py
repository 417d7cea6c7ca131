"""The verdict as plain text: one line per guard, and a table for a terminal."""

from __future__ import annotations

import math

from pratique.judge.model import SERVICE, GuardResult, Verdict

MAX_NAME = 60


def guard_line(guard: GuardResult, verdict: Verdict) -> str:
    """Return one guard in one line: ratio, confidence sequence, counts and evidence, as they were judged."""
    return f"{label(guard)}: {numbers(guard, verdict.baseline, verdict.canary, verdict.needed)}"


def label(guard: GuardResult) -> str:
    """Return the guard's name, after its action's if it has one: no control characters, at most MAX_NAME long."""
    name = guard.guard if guard.action == SERVICE else f"{guard.action} {guard.guard}"
    printable = "".join(character if character.isprintable() else "�" for character in name)
    return printable if len(printable) <= MAX_NAME else f"{printable[: MAX_NAME - 1]}…"


def numbers(guard: GuardResult, baseline: str, canary: str, needed: float) -> str:
    """Return the numbers of a guard: "2.9x [1.7, 5.1], 31/1,020 canary against 98/9,310 baseline, evidence 412 of 100 needed"."""
    if guard.state == "not evaluated":
        return "not evaluated"
    counts = (
        f"{guard.bad[canary]:,}/{guard.requests[canary]:,} canary against "
        f"{guard.bad[baseline]:,}/{guard.requests[baseline]:,} baseline"
    )
    fired = f", fired {guard.first_fired:%H:%M:%S}" if guard.first_fired is not None else ""
    return f"{ratio(guard)}, {counts}, evidence {amount(guard.e_value)} of {needed:g} needed{fired}"


def ratio(guard: GuardResult) -> str:
    """Return the ratio with its confidence sequence; "?" for an unknown number."""
    low = f"{guard.ratio_low:.2g}" if guard.ratio_low is not None else "0"
    high = f"{guard.ratio_high:.2g}" if guard.ratio_high is not None else "?"
    middle = f"{guard.ratio:.2g}x" if guard.ratio is not None else "?x"
    return f"{middle} [{low}, {high}]"


def amount(e_value: float) -> str:
    """Return an e-value rounded for display, large numbers as powers of ten."""
    if e_value < 0.01:
        return "0"
    if e_value >= 1e6:
        return f"10^{math.floor(math.log10(e_value))}"
    return f"{e_value:,.0f}" if e_value >= 10 else f"{e_value:.2g}"


def table(verdict: Verdict) -> str:
    """Return the comparison for a terminal: verdict, every guard of the service, flagged or worse actions, findings."""
    requests = ", ".join(f"{count:,} of {revision}" for revision, count in verdict.requests.items())
    lines = [
        f"{verdict.verdict.upper()}: {verdict.reason}",
        "",
        f"{verdict.service}: canary {verdict.canary} against baseline {verdict.baseline}, {requests}",
        f"{verdict.start:%Y-%m-%d %H:%M:%S} to {verdict.end:%Y-%m-%d %H:%M:%S} UTC, windows of {verdict.window_s} s",
        "",
    ]
    shown = [guard for guard in verdict.guards if guard.action == SERVICE or guard.flagged or guard.state == "worse"]
    width = max((len(label(guard)) for guard in shown), default=0)
    lines += [f"  {guard.state:<13} {label(guard):<{width}}  {_rest(guard, verdict)}" for guard in shown]
    lines += ["", f"combined evidence {amount(verdict.e_value)} of {verdict.needed:g} needed to roll back"]
    if verdict.remaining is not None:
        lines.append(f"remaining: {verdict.remaining.message}")
    lines += [f"{finding.kind} ({finding.effect}): {finding.message}" for finding in verdict.findings]
    return "\n".join(lines)


def _rest(guard: GuardResult, verdict: Verdict) -> str:
    slow = f" (slower than {guard.threshold_ms:,.3g} ms)" if guard.threshold_ms is not None else ""
    return numbers(guard, verdict.baseline, verdict.canary, verdict.needed) + slow
