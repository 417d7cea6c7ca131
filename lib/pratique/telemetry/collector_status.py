"""The collector's status: a small file that it rewrites about once a second, and the notes for a verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pratique.clock import from_ms, utc_now
from pratique.errors import UnavailableError
from pratique.files import PRIVATE, replace_file
from pratique.kept_json import read_kept
from pratique.own_processes import has_ended
from pratique.telemetry.collector_settings import UNKNOWN_SERVICE, differences

FILE = "collector/status.json"
FRESH_S = 5.0
"""Age of the status from which the collector counts as dead."""


@dataclass
class CollectorStatus:
    """The collector's status. Counts start at zero when the collector starts.

    updated_at: time of this status, UTC; older than 5 s means that the collector is dead or stopped
    listen: address at which it receives syslog over UDP
    received: access lines received
    malformed: messages that are not access lines
    other: messages of a balancer about something other than a request
    late: lines that came after their window had closed; not counted
    future: lines with a time more than 5 s in the future; not counted
    duplicates: lines received twice; counted once
    kernel_dropped: datagrams that the kernel dropped because the buffer of the socket was full
    lost_on_way: lines missing from a sender's numbering
    clock_jumps: how often the system clock was set back
    framing_errors: broken or too long frames over TCP
    connections: open TCP connections
    refused: TCP connections closed because too many were open, or because a message was begun and not completed
    unread_from: the hosts that sent most of the messages that are not access lines, and how many each
    not_allowed: datagrams and connections of senders that telemetry.allow does not name
    undeclared: lines of services that the service file does not name; not stored
    failed_attempts: attempts at other servers that failed before the answer, by service and by the revision that answered
    folded: lines stored under the revision or host "other", because there were too many names
    container_lines: lines of container logs received
    container_lost: lines of container logs that could not be written
    unkept: lines refused because they could not be written to the spool
    waiting: windows that are not in the store yet
    unstored_ms: start of the oldest finished window that was never stored, in milliseconds since 1970
    last_window: time of the last write to the store, UTC
    ended: whether the collector was stopped
    pid: its process
    pid_namespace: where that id has a meaning
    settings: the settings that it works by, as a part of a service file; empty for a collector before version 0.2
    changes: the last changes of settings that decide how requests are counted: time (ISO 8601, UTC) and a sentence
    error: the last error while writing to the store or spool; null when the last write succeeded
    exports: a sentence for each thing that it cannot pass on to other programs, such as events for Grafana
    webhook: where it takes changes from webhooks, and how many it took; empty when it takes none
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
    not_allowed: int = 0
    undeclared: int = 0
    folded: int = 0
    container_lines: int = 0
    container_lost: int = 0
    unkept: int = 0
    waiting: int = 0
    unstored_ms: int | None = None
    last_window: str | None = None
    ended: bool = False
    error: str | None = None
    unread_from: dict[str, int] = field(default_factory=dict)
    failed_attempts: dict[str, dict[str, int]] = field(default_factory=dict)
    pid: int = 0
    pid_namespace: str = ""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: list[list[str]] = field(default_factory=list)
    exports: list[str] = field(default_factory=list)
    webhook: str = ""

    @property
    def unstored(self) -> datetime | None:
        """Start of the oldest finished window that was never stored, UTC."""
        return None if self.unstored_ms is None else from_ms(self.unstored_ms)

    @property
    def fresh(self) -> bool:
        """Whether it was written within the last FRESH_S seconds."""
        return (utc_now() - self.updated_at).total_seconds() <= FRESH_S

    @property
    def alive(self) -> bool:
        """Whether the collector that wrote this still runs, as far as the file and the list of processes show."""
        return self.fresh and not self.ended and not has_ended(self.pid, self.pid_namespace)

    def notes(self) -> list[str]:
        """Return a sentence for each counter that can distort a verdict."""
        problems = [
            (self.late, "lines came after their window had closed and are not counted"),
            (
                self.future,
                "lines had a time more than 5 s in the future and are not counted: check the clocks and telemetry.httplog.timezone",
            ),
            (self.kernel_dropped, "lines were dropped by the kernel because the buffer of the socket was full"),
            (self.lost_on_way, "lines are missing from their senders' numbering"),
            (self.malformed, f"messages were not access lines{self._senders()}"),
            (self.framing_errors, "frames over TCP were broken or too long"),
            (self.refused, "TCP connections were closed: too many were open, or a message was not completed"),
            (self.not_allowed, "messages came from senders that telemetry.allow does not name and are not counted"),
            (self.folded, 'lines are stored under the name "other", because lines named too many revisions or hosts'),
            (self.clock_jumps, "times the clock was set back"),
            (self.unkept, "lines are not counted because they could not be written to the disk"),
            (self.container_lost, "lines of container logs could not be written"),
        ]
        found = [f"{count:,} {text}" for count, text in problems if count]
        return found + ([f"the collector cannot write{self._backlog()}: {self.error}"] if self.error else [])

    def _backlog(self) -> str:
        if self.unstored is None:
            return ""
        return f" and keeps {self.waiting:,} window{'s' * (self.waiting != 1)} since {self.unstored:%Y-%m-%d %H:%M:%SZ}"

    def _senders(self) -> str:
        return (
            f" ({', '.join(f'{count:,} from {host}' for host, count in self.unread_from.items())})"
            if self.unread_from
            else ""
        )

    def changes_in(self, service: str, start: datetime, end: datetime | None = None) -> list[str]:
        """Return a sentence for each change in [start, end), UTC, of how the requests of a service are counted."""
        found = []
        for stamped, text in self.changes:
            time = datetime.fromisoformat(stamped)
            concerns = not text.startswith("services.") or text.startswith(f"services.{service}.")
            if concerns and start <= time and (end is None or time < end):
                found.append(f"{text} at {time:%H:%M:%S}: windows before and after it are counted differently")
        return found

    def to_text(self) -> str:
        """Return one line for a terminal."""
        counts = [(self.other, "other messages"), (self.undeclared, "lines of services that are not declared")]
        other = [f"{count:,} {what}" for count, what in counts if count]
        parts = [
            f"{self.received:,} lines received on {self.listen}",
            *other,
            *self.notes(),
            *self.exports,
            self.webhook,
        ]
        return "; ".join(filter(None, parts))

    def write(self, state_dir: Path) -> None:
        """Replace the status file of a state folder atomically. Raises: OSError."""
        path = state_dir / FILE
        content = asdict(self) | {"updated_at": self.updated_at.isoformat()}
        replace_file(path, json.dumps(content), durable=False, mode=PRIVATE, make_folder=False)


def collector_status(state_dir: Path) -> CollectorStatus | None:
    """Return the last status that a collector wrote; None when there is none that can be read."""
    try:
        status = read_kept(state_dir / FILE, CollectorStatus)
    except (OSError, ValueError):
        return None
    return status if status.updated_at.tzinfo else None


def setting_differences(state_dir: Path, wanted: Mapping[str, Any], *, counting_only: bool = False) -> list[str]:
    """Return one sentence for each setting in which the running collector differs from `wanted`; [] when none runs.

    wanted: as `settings_of` returns it. Services that it does not name are not compared.
    """
    status = collector_status(state_dir)
    if status is None or not status.alive or not status.settings:
        return []
    known = status.settings.get("services", {})
    # a collector whose file names services drops the lines of all others
    unknown: dict[str, Any] = {"actions": UNKNOWN_SERVICE if known else []}
    services = {name: known.get(name, unknown) for name in wanted["services"]}
    return differences(status.settings | {"services": services}, wanted, counting_only=counting_only)


def require_collector(state_dir: Path, *, may_restart: bool = False) -> CollectorStatus:
    """Return the status of a running collector. may_restart: one that stopped within FRESH_S counts too.

    Raises: UnavailableError when no collector runs, because a canary would be judged without data.
    """
    status = collector_status(state_dir)
    if status is None or not (status.fresh if may_restart else status.alive):
        raise UnavailableError(
            "the collector is not running, so nothing is measured: start it with pratique up or pratique collect"
        )
    return status
