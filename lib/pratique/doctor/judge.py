"""Run the checks on facts: a check that breaks, or lacks a fact, is "not looked at", and never stops the others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fnmatch import fnmatchcase

from pratique.config.doctor import AcceptedFinding
from pratique.doctor.facts.model import reason_of
from pratique.doctor.finding import LONGEST, Found, Looked, NotLookedAtError
from pratique.doctor.look import Look
from pratique.doctor.model import Check, Finding, Result
from pratique.masked_text import masked
from pratique.printable_text import printable

MOST_FOUND = 200
"""Findings of one check on one host that are kept."""


def judge(check: Check, look: Look) -> Result:
    """Return what a check says of a host."""
    try:
        looked = check.find(look)
    except NotLookedAtError as error:
        return Result(check, "not looked at", reason=reason_of(error))
    except Exception as error:  # noqa: BLE001 - facts of an engine that answers nonsense; a check that broke looked at nothing
        return Result(
            check,
            "not looked at",
            reason=printable(f"the check failed: {type(error).__name__}: {reason_of(error)}", LONGEST["reason"]),
        )
    findings, unlisted = _accepted(check, looked, look)
    reason = printable(masked("; ".join(looked.unseen)), LONGEST["reason"])
    if findings:
        return Result(check, "found", findings, looked.of, reason, unlisted)
    return Result(check, "not looked at" if reason else "good", (), looked.of, reason)


def _accepted(check: Check, looked: Looked, look: Look) -> tuple[tuple[Finding, ...], int]:
    """The findings to keep, those that nobody accepted first, and the number of further ones that nobody accepted."""
    today = look.now.date()
    findings = [
        _finding(check, found, look.facts.name, look.settings.accepted, today) for found in dict.fromkeys(looked.found)
    ]
    findings.sort(key=lambda one: bool(one.accepted))
    unlisted = sum(not one.accepted for one in findings[MOST_FOUND:])
    if unlisted:
        # the same object however many there are, so that it is new once
        more = Found("further ones", f"{unlisted} more; the first {MOST_FOUND} are listed", findings[0].found.remedy)
        findings.insert(MOST_FOUND, Finding(check.id, more))
    return tuple(findings[: MOST_FOUND + bool(unlisted)]), unlisted


def _finding(check: Check, found: Found, host: str, accepted: Sequence[AcceptedFinding], today: date) -> Finding:
    """A finding with the reason for which it is accepted; an acceptance that ended is said, and the finding counts again."""
    matching = [
        one
        for one in accepted
        if one.check == check.id and fnmatchcase(host, one.host) and fnmatchcase(found.object, one.object)
    ]
    valid = next((one for one in matching if today <= one.until), None)
    if valid:
        return Finding(check.id, found, accepted=printable(f"until {valid.until}: {valid.reason}", LONGEST["reason"]))
    ended = max((one.until for one in matching), default=None)
    return Finding(check.id, found, expired=f"its acceptance ended on {ended}" if ended else "")
