"""The kept container logs around the start of an incident: the lines next to it, and which messages became more."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from pratique.config import NAME
from pratique.incident.model import Json
from pratique.masked_text import masked, message_of
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
"""Distinct messages that are counted of each side."""
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
    Raises: OSError.
    """
    first, last = start - AROUND, min(start + AROUND, end or start + AROUND)
    notes: list[str] = []
    # measurements of other programs may have names that no container of ours has
    may_have_logs = all(re.fullmatch(NAME, name) for name in (service, *([] if revision is None else [revision])))
    instance = _instance(state_dir, service, host, notes) if may_have_logs else None
    known = {secret: name for secret, name in (secrets or {}).items() if len(secret) >= MASK_MIN_LENGTH}

    def side(low: datetime, high: datetime, last_lines: int | None, keep: int) -> _Side:
        found = container_logs(
            state_dir, service, revision=revision, instance=instance, start=low, end=high, lines=last_lines
        )
        return _read(islice(found, MOST_LINES) if may_have_logs else (), known, keep)

    before, after = side(first, start, MOST_LINES, -LINES_BEFORE), side(start, last, None, LINES_AFTER)
    if MOST_LINES in (before.lines, after.lines):
        notes.append(f"of each side of the start only {MOST_LINES:,} lines are read")
    if not before.lines and not after.lines:
        notes.append("the collector kept no container logs of this time")
    messages = _messages(before.messages, after.messages)
    return ContainerLines(
        start=start,
        first=first,
        end=last,
        instances=tuple(sorted(before.instances | after.instances)),
        lines_before=before.lines,
        lines_after=after.lines,
        before=tuple(before.shown),
        after=tuple(after.shown),
        messages=tuple(messages[:SHOWN_MESSAGES]),
        further=max(len(messages) - SHOWN_MESSAGES, 0),
        notes=tuple(notes),
    )


@dataclass
class _Side:
    """The lines of one side of the start."""

    shown: deque[ShownLine]
    messages: Counter[str]
    instances: set[str]
    lines: int = 0


def _read(found: Iterable[LogLine], secrets: Mapping[str, str], keep: int) -> _Side:
    """Read lines. keep: how many are shown, of the first ones; negative: of the last ones."""
    side = _Side(deque(maxlen=abs(keep)), Counter(), set())
    for line in found:
        shown = _shown(line, secrets)
        side.lines += 1
        side.instances.add(line.instance)
        if keep < 0 or side.lines <= keep:
            side.shown.append(shown)
        message = message_of(shown.text)[:LONGEST_TEXT]
        if message in side.messages or len(side.messages) < MOST_MESSAGES:
            side.messages[message] += 1
    return side


def _messages(before: Counter[str], after: Counter[str]) -> list[MessageCount]:
    """Every message, those that became more most first."""
    found = (MessageCount(message, before[message], after[message]) for message in before.keys() | after.keys())
    return sorted(found, key=lambda one: (one.before - one.after, -one.after, one.message))


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
