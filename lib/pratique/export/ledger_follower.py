"""Pass the ledger's entries on as events: each one at least once, in order, through outages and restarts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pratique.export.events import Event, event_of
from pratique.files import PRIVATE, replace_file
from pratique.ledger import Ledger

MOST_ENTRIES = 500
"""Entries that are passed on at once."""


class EventSink(Protocol):
    """A destination of events, which may get an event twice."""

    @property
    def name(self) -> str:
        """What tells it from other destinations."""

    def write_events(self, events: Sequence[Event]) -> None:
        """Write events durably. Raises: PratiqueError; then they are written again."""


class LedgerFollower:
    """Remembers in a file which entry a destination got last."""

    def __init__(self, ledger: Ledger, file: Path, sink: EventSink) -> None:
        """file: made after the first write; another destination starts at the first entry."""
        self._ledger, self._file, self._sink = ledger, file, sink
        self._number = self._kept_number()

    def forward(self) -> None:
        """Pass on all entries that are new. Raises: PratiqueError of the ledger or the destination, OSError."""
        head = self._ledger.head()
        if head is not None and head.entry < self._number:
            # the ledger was replaced by an older one
            self._number = 0
        while head is not None and head.entry > self._number:
            entries = self._ledger.after(self._number, MOST_ENTRIES)
            events = [event for event in map(event_of, entries) if event is not None]
            if events:
                self._sink.write_events(events)
            self._number = entries[-1].number
            replace_file(self._file, json.dumps({"sink": self._sink.name, "number": self._number}), mode=PRIVATE)

    def _kept_number(self) -> int:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            return int(kept["number"]) if kept["sink"] == self._sink.name else 0
        except (OSError, ValueError, KeyError, TypeError):
            # events that are written again replace themselves
            return 0
