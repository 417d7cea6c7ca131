"""How the collector does: a small file that it renews about every second, and what follows for a verdict."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pratique.clock import utc_now
from pratique.errors import UnavailableError
from pratique.files import replace_file

FILE = "collector/status.json"
FRESH_S = 5.0
"""A collector that has been silent for so long is dead."""


@dataclass
class CollectorStatus:
    """Counts since the collector was started. updated_at: when this was written, UTC; ended: it was its last word.

    received: access lines taken in. malformed: messages that are none.
    other: messages of a balancer that tell of something else than a request. late: for a window that had been closed.
    future: from more than 5 s ahead. duplicates: received twice. kernel_dropped: by the socket's full buffer.
    lost_on_way: numbers missing in a sender's count. framing_errors: over TCP. connections: over TCP, open now;
    refused: silent ones that were closed because there were too many. container_lines: of containers' logs; container_lost: of them,
    those that could not be written. unkept: refused because the disk takes nothing. waiting: windows not in the store yet; unstored_ms: the beginning of the
    oldest one that is over and has never been in it, epoch. error: the last one.
    """

    updated_at: datetime
    listen: str = ""
    received: int = 0
    malformed: int = 0
    other: int = 0
    late: int = 0
    future: int = 0
    duplicates: int = 0
    kernel_dropped: int = 0
    lost_on_way: int = 0
    clock_jumps: int = 0
    framing_errors: int = 0
    connections: int = 0
    refused: int = 0
    container_lines: int = 0
    container_lost: int = 0
    unkept: int = 0
    waiting: int = 0
    unstored_ms: int | None = None
    last_window: str | None = None
    ended: bool = False
    error: str | None = None

    @property
    def unstored(self) -> datetime | None:
        """When the oldest window began that is over and has never been in the store, UTC."""
        return None if self.unstored_ms is None else datetime.fromtimestamp(self.unstored_ms / 1000, UTC)

    @property
    def fresh(self) -> bool:
        """Whether it was written a moment ago."""
        return (utc_now() - self.updated_at).total_seconds() <= FRESH_S

    @property
    def alive(self) -> bool:
        """Whether the collector that wrote this is still there, as far as a file can tell."""
        return self.fresh and not self.ended

    def notes(self) -> list[str]:
        """What a person who reads a verdict must know."""
        said = [
            (self.late, "lines came after their window had been closed, and are not counted"),
            (
                self.future,
                "lines carried a time more than 5 s ahead, and are not counted: check the clocks, and telemetry.httplog.timezone",
            ),
            (self.kernel_dropped, "lines were dropped by the kernel, because the socket's buffer was full"),
            (self.lost_on_way, "lines are missing in their senders' count"),
            (self.malformed, "messages were no access lines"),
            (self.framing_errors, "frames over TCP were broken or too long"),
            (self.refused, "silent connections over TCP were closed, because too many were open"),
            (self.clock_jumps, "times the clock went back"),
            (self.unkept, "lines are not counted, because they could not be kept on the disk"),
            (self.container_lost, "lines of containers' logs could not be written"),
        ]
        found = [f"{count:,} {what}" for count, what in said if count]
        return found + ([f"the collector cannot write: {self.error}"] if self.error else [])

    def to_text(self) -> str:
        """One line for a terminal."""
        other = [f"{self.other:,} other messages"] if self.other else []
        return "; ".join([f"{self.received:,} lines taken in at {self.listen}", *other, *self.notes()])

    def write(self, state_dir: Path) -> None:
        """Put it where others look for it, atomically. Raises: OSError."""
        path = state_dir / FILE
        content = asdict(self) | {"updated_at": self.updated_at.isoformat()}
        replace_file(path, json.dumps(content), durable=False)


def collector_status(state_dir: Path) -> CollectorStatus | None:
    """The status that the collector wrote last; None where there was never one."""
    try:
        content = json.loads((state_dir / FILE).read_text(encoding="utf-8"))
        return CollectorStatus(**content | {"updated_at": datetime.fromisoformat(content["updated_at"])})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def require_collector(state_dir: Path, *, may_restart: bool = False) -> CollectorStatus:
    """Return the status of a collector that runs. may_restart: one that ended a moment ago counts too.

    Raises: UnavailableError when no collector runs: a canary would be judged on nothing.
    """
    status = collector_status(state_dir)
    if status is None or not (status.fresh if may_restart else status.alive):
        raise UnavailableError(
            "the collector does not run, so nothing is measured: start it with: pratique up, or pratique collect"
        )
    return status
