"""What happened, as it is reported to people: bounded, on few lines, and without secrets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from pratique.clock import stamp
from pratique.config.notify import Risk
from pratique.masked_text import masked
from pratique.printable_text import printable

RISKS: tuple[Risk, ...] = ("low", "medium", "high", "critical")
"""From the least to the greatest."""
LONGEST_FIELD = 500
LONGEST_NAME = 200
LINES = 10
"""Last lines of a log that a text shows."""
LONGEST_LINE = 300


@dataclass(frozen=True)
class Event:
    """One state of one thing. The triple of kind, subject and key names it, so that it is reported once.

    kind: one of config.notify.KINDS. subject: such as "shop" or "job@nightly". key: which state of the subject, such as the
    id of a run or the time at which it began. risk: "low", "medium", "high" or "critical". what: one sentence.
    where: such as a host. since: UTC. last_lines: of a log. command: what to run next. report: its path or address.
    """

    kind: str
    subject: str
    key: str
    risk: Risk
    what: str
    where: str = ""
    since: datetime | None = None
    last_lines: Sequence[str] = ()
    command: str = ""
    report: str = ""

    @property
    def is_critical(self) -> bool:
        """Whether quiet hours do not hold it."""
        return self.risk == "critical"

    def safe(self) -> Event:
        """Return the event with each text on one line, bounded, and with secrets masked; an unknown risk counts as high."""
        return replace(
            self,
            kind=_line(self.kind, LONGEST_NAME),
            subject=_line(self.subject, LONGEST_NAME),
            key=_line(self.key, LONGEST_FIELD),
            risk=self.risk if self.risk in RISKS else "high",
            what=_line(self.what, LONGEST_FIELD),
            where=_line(self.where, LONGEST_NAME),
            since=None if self.since is None else self.since.astimezone(UTC),
            last_lines=tuple(_line(line, LONGEST_LINE) for line in list(self.last_lines)[-LINES:]),
            command=_line(self.command, LONGEST_FIELD),
            report=_line(self.report, LONGEST_FIELD),
        )

    def to_json(self) -> str:
        """Return the event as JSON text."""
        return json.dumps(asdict(self) | {"since": None if self.since is None else stamp(self.since)})

    @classmethod
    def from_json(cls, text: str) -> Event:
        """Return the event that `to_json` wrote. Raises: ValueError."""
        found = json.loads(text)
        since = found.pop("since")
        lines = tuple(found.pop("last_lines"))
        return cls(**found, since=None if since is None else datetime.fromisoformat(since), last_lines=lines)


def _line(text: object, most: int) -> str:
    # masked first: a cut through a secret would leave its beginning, which no pattern knows
    return printable(masked(str(text)).strip(), most).strip()
