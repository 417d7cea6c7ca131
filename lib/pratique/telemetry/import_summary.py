"""What an import did, as figures and as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pratique.number_text import plural, span

LISTED = 10
"""Most revisions, and most reasons, that the text lists."""
MOST_REASONS = 100
"""Distinct reasons that are counted; a reason may repeat a part of the line."""
FEW_REQUESTS = 10
"""Fewer requests than this for each revision: the field hardly names revisions."""


@dataclass
class ImportSummary:
    """The result of an import.

    lines: lines read; each is one of events (stored requests), rejected, ignored, without_revision,
    other_services, others.
    other_services: lines that name another service. backwards: how often the clock in the log was set back. reasons:
    rejected lines by reason. first, last: times of the first and last request, UTC. revisions: requests by revision.
    folded: requests whose revision, action or host is stored as "other", because there were too many of them, by kind.
    repeated: files that are the same log as another one of the import, and count once with it.
    rewritten: tables whose earlier content was replaced. overlapping: (path, ms) of logs that overlap another log of the same path. rejects: the file of rejected lines, if any; it has the first rejects_kept of them. others: lines of the program
    itself that are no requests, by kind. notes: how the lines were read. doubts: what looks wrong about their times and
    durations. failed_attempts: attempts at other servers that failed before the answer, by the revision that answered.
    """

    files: int = 0
    lines: int = 0
    events: int = 0
    rejected: int = 0
    ignored: int = 0
    without_revision: int = 0
    other_services: int = 0
    backwards: int = 0
    repeated: int = 0
    rewritten: int = 0
    overlapping: list[tuple[str, int]] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    revisions: dict[str, int] = field(default_factory=dict)
    actions: int = 0
    folded: dict[str, int] = field(default_factory=dict)
    rejects: Path | None = None
    rejects_kept: int = 0
    others: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    failed_attempts: dict[str, int] = field(default_factory=dict)

    def add_reason(self, reason: str) -> None:
        """Count a rejected line."""
        self.rejected += 1
        known = reason in self.reasons or len(self.reasons) < MOST_REASONS
        reason = reason if known else "other reasons"
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def to_text(self) -> str:
        """Return a few lines for a terminal."""
        span = f" from {self.first:%Y-%m-%d %H:%M:%S} to {self.last:%Y-%m-%d %H:%M:%S} UTC" if self.first else ""
        read = f"{plural(self.events, 'request')} of {plural(self.lines, 'line')}"
        text = [f"{read}{span}, {plural(self.actions, 'action')}"]
        text += self._revisions() + [f"  {note}" for note in self.notes]
        if self.rewritten:
            text.append(
                f"  {plural(self.rewritten, 'file')} written again since an earlier import: the new rows replace those"
            )
        text += self._attempts() + self._not_stored() + self._rejected()
        return "\n".join(text)

    def warnings(self) -> list[str]:
        """Return a sentence for each thing that is probably not as it was meant."""
        found = list(self.doubts)
        if not self.lines:
            found.append("there was nothing to import: the input is empty")
        elif not self.events:
            found.append("nothing was stored: no line is a request of this service")
        if self.repeated:
            what = "file is a copy" if self.repeated == 1 else "files are copies"
            found.append(f"{self.repeated:,} {what} of another one: its requests count once")
        found += [
            f"{path!r} does not continue the earlier import from this path, but overlaps it by {span(ms / 1000)}: "
            "a request in both counts twice; import the growing log, or exports that each end where the next one begins"
            for path, ms in self.overlapping
        ]
        names = len(self.revisions)
        if "revision" in self.folded or (names > LISTED and self.events < FEW_REQUESTS * names):
            found.append(
                f"{self.events:,} requests have {names:,} revisions or more: probably --revision-from, or the field "
                "named as the revision, is the wrong one"
            )
        found += [
            f"{count:,} requests are stored under the {kind} 'other', because the lines have too many {kind}s, or very long ones"
            + (": declare rules in [[services.NAME.actions]]" if kind == "action" else "")
            for kind, count in self.folded.items()
        ]
        return found

    def _revisions(self) -> list[str]:
        largest = sorted(self.revisions.items(), key=lambda found: -found[1])[:LISTED]
        text = [f"  revision {name}: {count:,}" for name, count in sorted(largest)]
        more = len(self.revisions) - len(largest)
        return [*text, f"  … and {more:,} more revisions"] if more else text

    def _attempts(self) -> list[str]:
        return [
            f"  revision {name}: {plural(count, 'attempt')} failed at another server before the answer"
            for name, count in sorted(self.failed_attempts.items())[:LISTED]
        ]

    def _not_stored(self) -> list[str]:
        counts = [
            (self.without_revision, "without a revision, not stored"),
            (self.other_services, "of other services, not stored"),
            (self.ignored, "ignored by ignore_paths of the service file"),
        ]
        text = [f"  {plural(count, 'line')} {what}" for count, what in counts if count]
        text += [
            f"  {plural(count, 'line')} without a request: {kind}"
            for kind, count in sorted(self.others.items())[:LISTED]
        ]
        if self.backwards:
            text.append(
                f"  the clock was set back {plural(self.backwards, 'time')}; each line counts in the window of its time"
            )
        return text

    def _rejected(self) -> list[str]:
        if not self.rejected:
            return []
        part = f" (the first {self.rejects_kept:,} of them)" if self.rejects_kept < self.rejected else ""
        largest = sorted(self.reasons.items(), key=lambda found: -found[1])
        text = [f"  {plural(self.rejected, 'line')} rejected, see {self.rejects}{part}"]
        text += [f"    {plural(count, 'line')}: {reason}" for reason, count in largest[:LISTED]]
        more = sum(count for _, count in largest[LISTED:])
        return [*text, f"    {plural(more, 'line')}: other reasons"] if more else text
