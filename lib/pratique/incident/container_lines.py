"""The kept container logs around the start of an incident: the lines next to it, and which messages became more."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice
from pathlib import Path

from pratique.incident.masked_text import masked, message_of
from pratique.incident.model import Json
from pratique.printable_text import printable
from pratique.release.secrets import MASK_MIN_LENGTH
from pratique.telemetry.containerlogs import LogLine, container_logs

AROUND = timedelta(minutes=10)
"""How long before and after the start lines are read."""
LINES_BEFORE, LINES_AFTER = 20, 40
"""Lines that are shown."""
MOST_LINES = 50_000
"""Lines that are read of each side of the start."""
MOST_MESSAGES = 5000
"""Distinct messages that are counted."""
SHOWN_MESSAGES = 30
LONGEST_TEXT = 500


@dataclass(frozen=True)
class ShownLine(Json):
    """A line of a container's log, secrets masked. time: UTC."""

    time: datetime
    revision: str
    instance: str
    text: str


@dataclass(frozen=True)
class MessageCount(Json):
    """A message with placeholders for its variable parts, and how many lines had it before and after the start."""

    message: str
    before: int
    after: int


@dataclass(frozen=True)
class ContainerLines(Json):
    """The logs of the containers in a place. start: of the incident. first, end: of the range that was read, end exclusive; UTC.

    before, after: the last lines before the start, the first ones from it on. messages: those that became more most first.
    further: distinct messages that are not listed. instances: those that wrote lines. notes: what to know of how it was read.
    """

    start: datetime
    first: datetime
    end: datetime
    instances: tuple[str, ...]
    lines_before: int
    lines_after: int
    before: tuple[ShownLine, ...]
    after: tuple[ShownLine, ...]
    messages: tuple[MessageCount, ...]
    further: int
    notes: tuple[str, ...]


def container_lines(
    state_dir: Path,
    service: str,
    start: datetime,
    *,
    end: datetime | None = None,
    revision: str | None = None,
    host: str | None = None,
    secrets: Mapping[str, str] | None = None,
) -> ContainerLines:
    """Read the kept lines from AROUND before the start to AROUND after it, or to `end` if that is earlier.

    revision, host: of the place; None for all. A host counts when it is the id of a container, otherwise the lines of all containers
    are read. secrets: known secrets of the service, each with its reference, as `release.secrets.known_secrets` returns them.
    Raises: UsageError when a name is invalid; OSError.
    """
    first, last = start - AROUND, min(start + AROUND, end or start + AROUND)
    notes: list[str] = []
    instance = _instance(state_dir, service, host, notes)
    chosen = {"revision": revision, "instance": instance}
    found = chain(
        container_logs(state_dir, service, **chosen, start=first, end=start, lines=MOST_LINES),
        islice(container_logs(state_dir, service, **chosen, start=start, end=last), MOST_LINES),
    )
    known = {secret: name for secret, name in (secrets or {}).items() if len(secret) >= MASK_MIN_LENGTH}
    before: deque[ShownLine] = deque(maxlen=LINES_BEFORE)
    after: list[ShownLine] = []
    counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    lines, instances = [0, 0], set()
    for line in found:
        shown, late = _shown(line, known), line.time >= start
        instances.add(line.instance)
        lines[late] += 1
        message = message_of(shown.text)[:LONGEST_TEXT]
        if message in counts[0] or message in counts[1] or len(counts[0]) + len(counts[1]) < MOST_MESSAGES:
            counts[late][message] += 1
        if not late:
            before.append(shown)
        elif len(after) < LINES_AFTER:
            after.append(shown)
    if max(lines) == MOST_LINES:
        notes.append(f"of each side of the start only {MOST_LINES:,} lines are read")
    if not instances:
        notes.append("the collector kept no container logs of this time")
    messages = sorted(
        (
            MessageCount(message, counts[0][message], counts[1][message])
            for message in counts[0].keys() | counts[1].keys()
        ),
        key=lambda one: (one.before - one.after, -one.after, one.message),
    )
    return ContainerLines(
        start,
        first,
        last,
        tuple(sorted(instances)),
        *lines,
        tuple(before),
        tuple(after),
        tuple(messages[:SHOWN_MESSAGES]),
        max(len(messages) - SHOWN_MESSAGES, 0),
        tuple(notes),
    )


def _instance(state_dir: Path, service: str, host: str | None, notes: list[str]) -> str | None:
    if host is None:
        return None
    # any line will do: the files are named after their containers
    if next(container_logs(state_dir, service, instance=host), None) is not None:
        return host
    notes.append(
        f"no container has the name of the host {printable(host, 80)!r}: the lines of all containers are shown"
    )
    return None


def _shown(line: LogLine, secrets: Mapping[str, str]) -> ShownLine:
    text = line.text
    # longest first: a secret may begin with another one
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, f"[{secrets[secret]}]")
    return ShownLine(line.time, line.revision, line.instance, printable(masked(text), LONGEST_TEXT))
