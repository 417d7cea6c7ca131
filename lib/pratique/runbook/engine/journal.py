"""The journal of one run: one line per event, on disk before the run continues."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from pratique.clock import stamp, utc_now
from pratique.errors import DataError, DeniedError, MissingError, StorageError
from pratique.files import open_private
from pratique.kept_json import parse_kept
from pratique.ledger.entry import canonical

Event = Literal["opened", "resumed", "begun", "done", "failed", "undoing", "undone", "cancelled", "noted", "ended"]

FILE_NAME = "journal.jsonl"
KEPT = ("noted", "done")
"""The events whose data record the results of a step."""


@dataclass(frozen=True)
class Line:
    """One event. `step` is the step's key, empty for an event of the whole run; `time` is UTC."""

    time: datetime
    event: Event
    step: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class Journal:
    """Append lines to a run's journal, each synced to disk, and read them back.

    A program that dies while it writes leaves half a line at the end: reading skips it, and the next append
    cuts it off. Half a line anywhere else is damage.
    """

    def __init__(self, path: Path) -> None:
        """Name the file. The first line creates it, so reading leaves no trace."""
        self.path = path

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """Return the journal of the run in `folder`."""
        return cls(folder / FILE_NAME)

    def append(self, event: Event, step: str = "", data: dict[str, Any] | None = None) -> Line:
        """Write one line and return when it is on disk.

        Raises: DeniedError, StorageError, UsageError (`data` is not plain JSON).
        """
        line = Line(utc_now(), event, step, data or {})
        text = canonical({"time": stamp(line.time), "event": event, "step": step, "data": line.data}) + "\n"
        try:
            with open_private(self.path, "ab") as file:
                self._cut_torn_tail(file.fileno(), file.tell())
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
        except PermissionError as error:
            raise DeniedError(
                f"journal {str(self.path)!r} cannot be written: {error.strerror}: check the state folder"
            ) from error
        except OSError as error:
            raise StorageError(
                f"journal {str(self.path)!r} cannot be written: {error.strerror}: check the state folder"
            ) from error
        return line

    def lines(self) -> list[Line]:
        """Return every complete line, oldest first; none where there is no journal.

        Raises: DataError naming the damaged line, DeniedError.
        """
        return list(self._parsed())

    def state(self, step: str) -> Event | None:
        """Return the state of a step: its last event other than a note; None if it never began.

        A step that is done stays done until it is undone or begun again, even if a later "failed" names it.
        """
        state: Event | None = None
        for line in self.lines():
            if line.step == step and line.event != "noted" and (state, line.event) != ("done", "failed"):
                state = line.event
        return state

    def data(self, step: str) -> dict[str, Any]:
        """Return the notes and the result of the current attempt at a step; {} once it is undone."""
        found: dict[str, Any] = {}
        for line in self.lines():
            if line.step == step:
                found = {} if line.event == "undone" else {**found, **line.data} if line.event in KEPT else found
        return found

    def last_done(self, step: str) -> dict[str, Any]:
        """Return the result of the step's last completion, even if it was undone later; {} if it was never done."""
        done = [line.data for line in self.lines() if line.step == step and line.event == "done"]
        return dict(done[-1]) if done else {}

    def first(self, event: Event) -> Line:
        """Return the first line of an event of the whole run.

        Raises: MissingError when there is none.
        """
        for line in self.lines():
            if line.event == event and not line.step:
                return line
        raise MissingError(f"journal {str(self.path)!r} has no line {event!r}: check the run_id")

    def _parsed(self) -> Iterator[Line]:
        try:
            complete = self.path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return
        except OSError as error:
            raise DeniedError(
                f"journal {str(self.path)!r} cannot be read: {error.strerror}: check the state folder"
            ) from error
        for number, text in enumerate(complete, start=1):
            try:
                line = parse_kept(text, Line)
                if line.time.tzinfo is None:
                    raise ValueError("a time without a zone")  # noqa: TRY301 - one message for all
                if not isinstance(line.data.get("context", {}), dict):
                    raise ValueError("a context without names")  # noqa: TRY004, TRY301
            except ValueError as error:
                raise DataError(
                    f"journal {str(self.path)!r}: line {number} is damaged: start again with a new run_id"
                ) from error
            yield line

    def _cut_torn_tail(self, descriptor: int, size: int) -> None:
        if size and self.path.read_bytes()[-1:] != b"\n":
            os.ftruncate(descriptor, self.path.read_bytes().rfind(b"\n") + 1)
