"""The journal of one run: a line a happening, on disk before the next thing is done."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pratique.clock import stamp, utc_now
from pratique.errors import DataError, DeniedError, MissingError, StorageError
from pratique.ledger.entry import canonical

Event = Literal["opened", "resumed", "begun", "done", "failed", "undoing", "undone", "cancelled", "noted", "ended"]

KEPT = ("noted", "done")
"""The events whose data tell what a step has done."""


@dataclass(frozen=True)
class Line:
    """One happening. `step` is empty for what concerns the whole run; `time` is UTC."""

    time: datetime
    event: Event
    step: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class Journal:
    """Append lines to a run's journal, each synced to disk; read back what there is.

    A program that dies while it writes leaves half a line at the end: it is left out, and cut off by
    the next append. Half a line anywhere else is damage.
    """

    def __init__(self, path: Path) -> None:
        """Name the file; it is made by the first line, so that looking leaves no trace."""
        self.path = path

    def append(self, event: Event, step: str = "", data: dict[str, Any] | None = None) -> Line:
        """Write one line and return when it is on disk.

        Raises: DeniedError, StorageError, UsageError (`data` is not plain JSON).
        """
        line = Line(utc_now(), event, step, data or {})
        text = canonical({"time": stamp(line.time), "event": event, "step": step, "data": line.data}) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                self._cut_torn_tail(file.fileno(), file.tell())
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
        except PermissionError as error:
            raise DeniedError(f"journal {str(self.path)!r} cannot be written: {error.strerror}") from error
        except OSError as error:
            raise StorageError(f"journal {str(self.path)!r} cannot be written: {error.strerror}") from error
        return line

    def lines(self) -> list[Line]:
        """Every whole line, oldest first; none where there is no journal.

        Raises: DataError naming the line that is damaged.
        """
        return list(self._parsed())

    def state(self, step: str) -> Event | None:
        """How far a step has come: its last event but notes; None while it was never begun.

        What was done stays done until it is undone or begun again, whatever failed beside it.
        """
        state: Event | None = None
        for line in self.lines():
            if line.step == step and line.event != "noted" and (state, line.event) != ("done", "failed"):
                state = line.event
        return state

    def data(self, step: str) -> dict[str, Any]:
        """What the present attempt of a step has noted down and left; {} once it is undone."""
        found: dict[str, Any] = {}
        for line in self.lines():
            if line.step == step:
                found = {} if line.event == "undone" else {**found, **line.data} if line.event in KEPT else found
        return found

    def last_done(self, step: str) -> dict[str, Any]:
        """What the step left when it was last done, undone since or not; {} when it never was."""
        done = [line.data for line in self.lines() if line.step == step and line.event == "done"]
        return dict(done[-1]) if done else {}

    def first(self, event: Event) -> Line:
        """The first line of an event of the whole run.

        Raises: MissingError when there is none.
        """
        for line in self.lines():
            if line.event == event and not line.step:
                return line
        raise MissingError(f"journal {str(self.path)!r} has no line {event!r}: is the run id right?")

    def _parsed(self) -> Iterator[Line]:
        try:
            whole = self.path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return
        except OSError as error:
            raise DeniedError(f"journal {str(self.path)!r} cannot be read: {error.strerror}") from error
        for number, text in enumerate(whole, start=1):
            try:
                value = json.loads(text)
                yield Line(datetime.fromisoformat(value["time"]), value["event"], value["step"], value["data"])
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"journal {str(self.path)!r}: line {number} is damaged: start over with a new run id"
                ) from error

    def _cut_torn_tail(self, descriptor: int, size: int) -> None:
        if size and self.path.read_bytes()[-1:] != b"\n":
            os.ftruncate(descriptor, self.path.read_bytes().rfind(b"\n") + 1)
