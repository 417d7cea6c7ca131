"""An examination as text for a terminal: worst first, with the command that mends the first of each kind."""

from __future__ import annotations

from collections.abc import Iterator

from pratique.doctor.model import Examination, Finding, HostReport, Result
from pratique.number_text import plural
from pratique.text_table import aligned

SIGNS = {"critical": "!!!", "high": "!!", "medium": "!", "low": "."}
"""A finding by its risk; readable without colour."""
MOST_OF_A_CHECK = 5
MOST_REASONS = 12


def examination_lines(examination: Examination, *, everything: bool = False) -> Iterator[str]:
    """Yield the lines. everything: every finding of a check, not only the first."""
    rows = examination.worst_first()
    yield from _findings(rows, everything)
    yield from _unseen(examination)
    for host in examination.hosts:
        yield from _changes(host)
    yield from (score_line(host) for host in examination.hosts)
    kept = f"; run {examination.run}" if examination.run else ""
    yield f"{examination.sentence} ({examination.took_ms / 1000:.1f} s){kept}"


def _findings(rows: list[tuple[HostReport, Result]], everything: bool) -> Iterator[str]:
    for host, result in rows:
        if not result.findings:
            continue
        check = result.check
        shown = result.findings if everything else _first(result)
        yield f"{check.risk:<8}  {check.id} on {host.name}: {check.finds}"
        yield f"          why: {check.why}"
        yield from (
            f"     {line}"
            for line in aligned([(SIGNS[check.risk], one.found.object, one.found.what + _notes(one)) for one in shown])
        )
        to_do = next((one.found.remedy for one in shown if not one.accepted), "")
        if to_do:
            yield f"          type: {to_do}"
        left = len(result.findings) - len(shown)
        if left:
            yield f"          and {left} more: pratique doctor --only {check.id} --all"


def _first(result: Result) -> tuple[Finding, ...]:
    ordered = sorted(result.findings, key=lambda one: (bool(one.accepted), not one.is_new))
    return tuple(ordered[:MOST_OF_A_CHECK])


def _notes(one: Finding) -> str:
    notes = [
        *(["new"] if one.is_new else []),
        *([f"accepted {one.accepted}"] if one.accepted else []),
        *([one.expired] if one.expired else []),
    ]
    return f" [{'; '.join(notes)}]" if notes else ""


def _unseen(examination: Examination) -> Iterator[str]:
    """One line for each host and reason, with the checks that it concerns."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for host in examination.hosts:
        for result in host.results:
            if result.reason:
                part = "" if result.state == "not looked at" else " (in part)"
                reasons.setdefault((host.name, result.reason), []).append(result.check.id + part)
    for (name, reason), checks in reasons.items():
        listed = ", ".join(checks[:MOST_REASONS]) + (
            f" and {len(checks) - MOST_REASONS} more" if len(checks) > MOST_REASONS else ""
        )
        yield f"not looked at  {name}: {reason}: {listed}"


def _changes(host: HostReport) -> Iterator[str]:
    for key in host.gone:
        yield f"mended    {host.name}: {key}"


def score_line(host: HostReport) -> str:
    """The score of a host in one line."""
    found = sum(len(result.open) for result in host.results)
    score = f"{host.score:.1f} of 10" if host.score is not None else "none"
    return f"score     {host.name}: {score}, {host.looked_at:.0%} looked at, {plural(found, 'finding')}"
