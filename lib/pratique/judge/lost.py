"""Lines that were not counted, as findings: the missing requests may be the bad ones."""

from __future__ import annotations

from collections.abc import Sequence

from pratique.config import Policy
from pratique.judge.model import Finding
from pratique.telemetry.lost_lines import LostLines
from pratique.telemetry.reasons import NO_REVISION

SMALL = 0.001
"""Share of lost lines up to which they are only noted."""
FEW = 10
"""Lost lines from which they can hold: fewer can hide nothing that a verdict needs."""
MANY_MESSAGES = 0.01
"""Messages of the canary beyond the baseline's, for each of its requests, from which they hold a promotion."""
EVEN = 0.5
"""Part of the lost lines that one revision may have beyond its part of the requests, when the revision is known."""


def lost(found: Sequence[LostLines], policy: Policy, requests: dict[str, int]) -> list[Finding]:
    """Return a finding on lost lines; it holds when they are more than a few, or uneven over the revisions.

    requests: requests judged, per revision.
    """
    found = [lines for lines in found if lines.total]
    total = sum(lines.total for lines in found)
    if not total or policy.on_no_data == "ignore":
        return []
    # of a collector, only the minutes with losses are known
    counted = max(sum(lines.counted for lines in found), sum(requests.values()))
    # lines without a revision are usual where a server answers some requests by itself
    broken = total - sum(lines.lost.get(NO_REVISION, 0) for lines in found)
    share = broken / max(broken + counted, 1)
    uneven = _uneven(found, requests)
    reasons: dict[str, int] = {}
    for lines in found:
        for reason, count in lines.lost.items():
            reasons[reason] = reasons.get(reason, 0) + count
    worst = max(reasons, key=lambda reason: reasons[reason])
    message = f"{total:,} of {total + counted:,} lines ({100 * total / (total + counted):.2g} %) were not counted, most of them: {worst}"
    if uneven:
        message += f"; most are of {uneven}"
    return [
        Finding("lost lines", policy.on_no_data if (share > SMALL and broken >= FEW) or uneven else "note", message)
    ]


def uneven_messages(found: Sequence[LostLines], policy: Policy, baseline: str, canary: str) -> list[Finding]:
    """Return a finding when the canary's log has far more lines that are no requests than the baseline's.

    Some of them may be its failures, in a form that names no request.
    """
    if policy.on_no_data == "ignore":
        return []
    (usual, served), (messages, requests) = (_messages(found, name) for name in (baseline, canary))
    expected = usual / max(served, 1) * requests
    if messages < FEW or messages < 2 * expected or messages - expected < MANY_MESSAGES * requests:
        return []
    text = (
        f"the log of {canary} has {messages:,} lines without a request beside {requests:,} requests, that of {baseline} "
        f"{usual:,} beside {served:,}: failures may be among them; filter the log's other messages before it is imported"
    )
    return [Finding("lost lines", policy.on_no_data, text)]


def _messages(found: Sequence[LostLines], revision: str) -> tuple[int, int]:
    """The messages in the logs of one revision, and the requests of these logs."""
    logs = [lines for lines in found if revision in lines.messages]
    return sum(lines.messages[revision] for lines in logs), sum(lines.counted for lines in logs)


def _uneven(found: Sequence[LostLines], requests: dict[str, int]) -> str | None:
    """The revision that lost far more than its part, if one did."""
    known: dict[str, int] = {}
    for lines in found:
        for revision, count in lines.by_revision.items():
            known[revision] = known.get(revision, 0) + count
    total, all_requests = sum(known.values()), max(sum(requests.values()), 1)
    for revision, count in known.items():
        share = requests.get(revision, 0) / all_requests
        if total >= 10 and count / total > share + EVEN * (1.0 - share):
            return revision
    return None
