"""Container logs from Docker's syslog driver, kept in a file per revision and instance, with bounded total size.

The tag of a line is pratique/SERVICE/REVISION/CONTAINER, as the runtime sets it. Only valid names become file names,
and each message becomes one line, whatever it holds.
"""

from __future__ import annotations

import heapq
import os
import re
from collections import OrderedDict, deque
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from pratique.clock import utc_now
from pratique.config import NAME, check_name
from pratique.files import open_private
from pratique.telemetry.syslog import Message

FOLDER = "logs"
OLDER = ".log.1"
PREFIX = "pratique/"
_TAG = re.compile(rf"pratique/({NAME[1:-1]})/({NAME[1:-1]})/([0-9a-f]{{12,64}})")
OPEN_FILES = 64
"""Files kept open at a time."""
MOST_FILES = 2000
"""Files kept in total; the oldest are removed first."""
LONGEST = 16 << 10
"""Bytes of a line that are kept."""
CHECK_EVERY = 1 << 20
"""Bytes written between two checks of the total size."""


@dataclass(frozen=True)
class LogLine:
    """One line of a container's log.

    time: UTC. instance: the first 12 digits of the container's id. text: with control characters escaped.
    """

    time: datetime
    revision: str
    instance: str
    text: str


class ContainerLogs:
    """The container logs in a state folder, as the collector writes them."""

    def __init__(self, state_dir: Path, *, limit_bytes: int, services: Collection[str]) -> None:
        """limit_bytes: total size; an instance may use a quarter of it. The oldest files are removed first.

        services: names whose logs are kept; without this list any sender could fill the folder.
        """
        self.keep(limit_bytes=limit_bytes, services=services)
        self._folder = state_dir / FOLDER
        self._files: OrderedDict[Path, BinaryIO] = OrderedDict()
        self._written = CHECK_EVERY
        self.lines = 0
        self.lost = 0

    def keep(self, *, limit_bytes: int, services: Collection[str]) -> None:
        """Change the limits. The parameters are those of the constructor."""
        self._services = frozenset(services)
        self._limit = limit_bytes

    def take(self, message: Message) -> bool:
        """Keep a line. Return False when the message is not from a container of these services."""
        tag = _TAG.fullmatch(message.app)
        if tag is None or tag[1] not in self._services:
            return False
        line = _line(message)
        try:
            self._file(self._folder / tag[1] / tag[2] / f"{tag[3][:12]}.log").write(line)
        except OSError:
            self.lost += 1
            return True
        self.lines += 1
        self._written += len(line)
        if self._written >= CHECK_EVERY:
            self._written = 0
            self._shorten()
        return True

    def sync(self) -> None:
        """Flush all files."""
        for file in self._files.values():
            with suppress(OSError):
                file.flush()

    def close(self) -> None:
        """Close every file."""
        for file in self._files.values():
            with suppress(OSError):
                file.close()
        self._files.clear()

    def _file(self, path: Path) -> BinaryIO:
        file = self._files.pop(path, None)
        if file is None:
            file = open_private(path, "ab")
            # each new file counts as some bytes: many small files must trigger the check too
            self._written += CHECK_EVERY // 200
        self._files[path] = file
        if len(self._files) > OPEN_FILES:
            self._files.popitem(last=False)[1].close()
        if file.tell() > self._limit // 8:
            self._files.pop(path).close()
            path.replace(path.with_suffix(OLDER))
            file = self._files[path] = open_private(path, "ab")
        return file

    def _shorten(self) -> None:
        """Remove the oldest files until the rest is within the limits."""
        self.sync()
        found = []
        for path in self._folder.glob("*/*/*.log*"):
            with suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in found)
        left = len(found)
        for _, size, path in sorted(found):
            if total <= self._limit and left <= MOST_FILES:
                return
            left -= 1
            if path in self._files:
                self._files.pop(path).close()
            path.unlink(missing_ok=True)
            with suppress(OSError):
                path.parent.rmdir()
            total -= size


def container_logs(
    state_dir: Path,
    service: str,
    *,
    revision: str | None = None,
    instance: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    lines: int | None = None,
) -> Iterator[LogLine]:
    """Yield the kept lines of a service's containers in order of time, within [start, end).

    revision, instance: only lines of this revision, of this container (its id, of which 12 digits count).
    start, end: UTC; None is unbounded. lines: only the last so many; None for all.
    Raises: UsageError when a name is invalid.
    """
    found = _merged(state_dir, service, revision, instance, start, end)
    yield from found if lines is None else deque(found, maxlen=max(lines, 0))


def _merged(
    state_dir: Path,
    service: str,
    revision: str | None,
    instance: str | None,
    start: datetime | None,
    end: datetime | None,
) -> Iterator[LogLine]:
    check_name("service", service)
    folders = [check_name("revision", revision)] if revision else _names(state_dir / FOLDER / service)
    instances = [
        (path, folder)
        for folder in folders
        for path in sorted({*_instances(state_dir / FOLDER / service / folder)})
        if instance is None or path.stem == instance[:12]
    ]
    read = (chain(_read(path.with_suffix(OLDER), name), _read(path, name)) for path, name in instances)
    for line in heapq.merge(*read, key=lambda found: found.time):
        if (start is None or line.time >= start) and (end is None or line.time < end):
            yield line


def _instances(folder: Path) -> Iterator[Path]:
    """The path of the current log of each instance, also where only an older log exists."""
    for path in folder.glob("*.log*"):
        yield path.with_name(path.name.partition(".")[0] + ".log")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _read(path: Path, revision: str) -> Iterator[LogLine]:
    with suppress(FileNotFoundError), path.open(encoding="ascii", errors="replace") as file:
        for line in file:
            time, _, text = line.rstrip("\n").partition(" ")
            with suppress(ValueError):
                found = datetime.fromisoformat(time)
                # a full disk may have truncated a line within its time
                if found.tzinfo is not None:
                    yield LogLine(found, revision, path.name.partition(".")[0], text)


def _line(message: Message) -> bytes:
    text = message.body[:LONGEST].decode("utf-8", "replace").rstrip("\r\n")
    shown = text if text.isascii() and text.isprintable() else _escaped(text)
    return f"{_time(message)} {shown}{os.linesep}".encode("ascii", "backslashreplace")


def _escaped(text: str) -> str:
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)


def _time(message: Message) -> str:
    try:
        time = datetime.fromisoformat(message.time) if message.time else utc_now()
        found = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        found = utc_now()
    return found.isoformat(timespec="milliseconds")
