"""The question that an analysis of an incident answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from pratique.errors import UsageError
from pratique.report.question import slug

ALPHA = 0.01
OUTCOME = "5xx"
OUTCOMES = re.compile(r"[1-5]xx|[1-5][0-9]{2}|no answer|p[0-9]{2}(\.[0-9]+)?")


@dataclass(frozen=True)
class IncidentQuestion:
    """A question: the service, the outcome, and the time range, UTC, [start, end).

    start: None means two hours before the end; end: None means all there is. before: where the history begins with which the
    range is compared; None means a day before the start. changes: a file of changes that the ledger does not know. alpha:
    chance of naming anything when nothing is wrong.
    """

    service: str
    outcome: str = OUTCOME
    start: datetime | None = None
    end: datetime | None = None
    before: datetime | None = None
    changes: str = ""
    alpha: float = ALPHA

    @property
    def stem(self) -> str:
        """The file name of the page without its extension, safe for any file system."""
        bounds = [f"{time:%Y%m%dT%H%M%SZ}" for time in (self.start, self.end) if time is not None]
        return "-".join(["incident", slug(self.service), slug(self.outcome), *bounds])


def checked(question: IncidentQuestion) -> IncidentQuestion:
    """Refuse a question that has no answer, and return it. Raises: UsageError."""
    if not 0.0 < question.alpha < 0.5:
        raise UsageError(f"alpha {question.alpha!r} is not a probability above 0 and below 0.5")
    if question.start and question.end and question.start >= question.end:
        raise UsageError(f"start {question.start:%Y-%m-%dT%H:%M} is not before end {question.end:%Y-%m-%dT%H:%M}")
    if question.start and question.before and question.before >= question.start:
        raise UsageError("compare_with is not before the start: the history lies before the range that is looked at")
    if not OUTCOMES.fullmatch(question.outcome) or _is_no_quantile(question.outcome):
        raise UsageError(
            f"outcome {question.outcome!r:.60} is not one of 5xx, 4xx, a code such as 503, 'no answer', or p95"
        )
    return question


def _is_no_quantile(outcome: str) -> bool:
    return outcome.startswith("p") and not 0.0 < float(outcome[1:]) < 100.0
