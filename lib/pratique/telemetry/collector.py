"""The collector (`pratique collect`): receive access lines and write rollups, without loss and without counting twice.

Each line is first written to the spool, which is durable within half a second. Windows are added up in memory. They
are written with their full totals when they close, and again when late lines change them. After a kill at any time
the collector reads the spool, computes the same totals, and continues: the store replaces rows with the same key.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from pratique.clock import now_ms, utc_now
from pratique.config import Config
from pratique.errors import BusyError, DeniedError, PratiqueError
from pratique.telemetry.accesslog import AccessLine, decode, looks_like_access, read
from pratique.telemetry.aggregate import Window, rollups_of
from pratique.telemetry.collector_status import CollectorStatus
from pratique.telemetry.containerlogs import PREFIX, ContainerLogs
from pratique.telemetry.line_keys import LineKeys
from pratique.telemetry.receivers import Receivers
from pratique.telemetry.rollups import Sink
from pratique.telemetry.sequence import Senders
from pratique.telemetry.spool import Spool
from pratique.telemetry.syslog import parse

GRACE_MS = 400
"""Delay after its end until a window closes; lines that arrive later are added to it."""
FUTURE_MS = 5000
"""Time ahead of the clock from which a line is refused."""
JUMP_MS = 1000
"""Step back of the wall clock that counts as a jump."""
SYNC_S = 0.4
"""Time between two syncs of the spool: the most that a power failure loses."""
TICK_S = 0.1
"""Time between two checks for windows to close."""
SEGMENT_S = 20.0
"""Time after which the spool begins another segment."""
STATUS_S = 1.0
"""Time between two writes of the status file."""
FLUSH_TIMEOUT_S = 30.0
"""Most time to wait for a write to the store before the collector stops."""
MOST_KEYS_IN_WRITE = 20_000
"""Keys from which the next window waits for the next write: a write needs several times the memory of its windows."""
RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Delays before the first and each further retry of a failed write; the last one repeats."""


class Collector:
    """Receive datagrams, spool them, add them up, and write the rollups to a store."""

    def __init__(self, config: Config, store: Sink, status: CollectorStatus) -> None:
        """Read the spool of an earlier collector with the same state folder. store: where rollups are written."""
        self._config = config
        self._store = store
        self._status = status
        self._span = config.telemetry.window_s * 1000
        self._late_ms = int(config.telemetry.late_s * 1000)
        self._keys = LineKeys(config)
        self._windows: dict[int, Window] = {}
        self._senders = Senders()
        self._host = config.telemetry.host
        self._logs = ContainerLogs(
            config.state_dir, limit_bytes=int(config.telemetry.container_log_mb * 1e6), services=config.services
        )
        self._spool = Spool(config.state_dir / "collector" / "spool")
        self._epoch = self._spool.facts.get("epoch", 0)
        self._closed_ms = self._spool.facts.get("closed_ms", 0)
        self._last_ms = 0
        self._segments: dict[int, int] = {}
        self._writer = ThreadPoolExecutor(1, "store")
        self._write: Future[None] | None = None
        self._writing: dict[int, Window] = {}
        self._failures = 0
        self._retry_at = 0.0
        for number, record in self._spool.replay():
            self._segment = number
            line = decode(record, config.telemetry.httplog, self._host)
            if line is not None and self._keys.takes(line.service) and self._is_new(line):
                self._take(line, self._start_of(line))
        status.received = status.late = status.duplicates = status.lost_on_way = status.folded = 0
        self._segment = self._spool.rotate()
        self._rotated = time.monotonic()

    def receive(self, datagram: bytes) -> None:
        """Take in one datagram, or one message of a stream."""
        message = parse(datagram)
        if message is not None and message.app.startswith(PREFIX) and self._logs.take(message):
            self._status.container_lines, self._status.container_lost = self._logs.lines, self._logs.lost
            return
        line = None if message is None else read(message, self._config.telemetry.httplog, self._host)
        if line is None:
            if message is not None and not looks_like_access(message):
                self._status.other += 1
            else:
                self._status.malformed += 1
            return
        now, start = now_ms(), self._start_of(line)
        if not self._keys.takes(line.service):
            self._status.undeclared += 1
        elif line.time_ms > now + FUTURE_MS:
            self._status.future += 1
        elif not self._is_new(line):
            self._status.duplicates += 1
        elif start + self._span + self._late_ms < now:
            self._status.late += 1
        elif self._spool.full:
            self._status.unkept += 1
        elif self._take(line, start):
            self._spool.append(datagram)

    def _is_new(self, line: AccessLine) -> bool:
        # a sender without numbering gives no way to detect missing or repeated lines
        fresh, missing = self._senders.seen(line.boot, line.sequence) if line.boot else (True, 0)
        self._status.lost_on_way += missing
        return fresh

    def _start_of(self, line: AccessLine) -> int:
        return line.time_ms // self._span * self._span

    def _take(self, line: AccessLine, start: int) -> bool:
        if start + self._span <= self._closed_ms:
            self._status.late += 1
            return False
        window = self._windows.get(start)
        if window is None:
            window = self._windows[start] = Window()
        window.add(self._keys.key(line, window), line.duration_ms)
        self._status.folded = self._keys.folded
        window.segments.add(self._segment)
        self._segments[self._segment] = max(self._segments.get(self._segment, 0), start + self._span)
        self._status.received += 1
        return True

    def sync(self) -> None:
        """Make all received lines durable."""
        self._logs.sync()
        try:
            self._spool.sync()
        except OSError as error:
            self._status.error = f"spool: {error.strerror}"

    def tick(self) -> None:
        """Close and write finished windows; drop those that are too old for late lines."""
        now = now_ms()
        if now < self._last_ms - JUMP_MS:
            self._after_jump()
        self._last_ms = now
        self._settle()
        over = {s: w for s, w in self._windows.items() if s + self._span + GRACE_MS <= now}
        self._start_write({start: window for start, window in over.items() if window.changed})
        self._forget(now)
        if time.monotonic() - self._rotated > SEGMENT_S:
            self._rotate()
        self._status.waiting = sum(window.changed for window in self._windows.values())
        self._status.unstored_ms = min((start for start, window in over.items() if not window.stored), default=None)

    def _start_write(self, windows: dict[int, Window]) -> None:
        if not windows or self._write is not None or time.monotonic() < self._retry_at:
            return
        windows = _first(windows)
        rollups = rollups_of(windows, window_s=self._config.telemetry.window_s, source=self._source)
        for window in windows.values():
            window.changed = False
        self._writing = windows
        self._write = self._writer.submit(self._store.write, rollups)

    @property
    def _source(self) -> str:
        # after a clock jump windows occur again; under a new source they add to the stored ones
        return "collector" if self._epoch == 0 else f"collector:{self._epoch}"

    def _settle(self, timeout: float = 0.0) -> None:
        """Handle the result of a finished write; wait up to `timeout` s for it."""
        if self._write is None:
            return
        with suppress(TimeoutError):
            error = self._write.exception(timeout) if timeout or self._write.done() else TimeoutError()
            if isinstance(error, TimeoutError):
                return
            self._write = None
            if error is None:
                self._failures, self._retry_at, self._status.error = 0, 0.0, None
                self._status.last_window = utc_now().isoformat()
                for window in self._writing.values():
                    window.stored = True
                return
            for window in self._writing.values():
                window.changed = True
            self._status.error = str(error)
            self._retry_at = time.monotonic() + RETRY_S[min(self._failures, len(RETRY_S) - 1)]
            self._failures += 1
            if not isinstance(error, PratiqueError):
                print(f"pratique collect: unexpected {type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201

    def _forget(self, now: int) -> None:
        """Drop windows that are too old for late lines, and segments with lines of dropped windows only."""
        in_flight = self._writing if self._write is not None else {}
        unwritten = [start for start, window in self._windows.items() if window.changed or start in in_flight]
        bound = min([now - self._late_ms, *unwritten])
        over = [start for start in self._windows if start + self._span <= bound]
        if not over:
            return
        self._closed_ms = max(self._closed_ms, max(over) + self._span)
        keys = sum(len(self._windows[start].cells) for start in over)
        for start in over:
            del self._windows[start]
        if keys > MOST_KEYS_IN_WRITE // 10:
            _return_memory()
        self._keys.forget(self._closed_ms, sum(len(window.cells) for window in self._windows.values()))
        done = [n for n, end in self._segments.items() if end <= self._closed_ms and n != self._segment]
        if done:
            with suppress(OSError):
                self._spool.keep({"epoch": self._epoch, "closed_ms": self._closed_ms})
                for number in done:
                    self._spool.remove(number)
                    del self._segments[number]

    def _rotate(self) -> None:
        with suppress(OSError):
            self._segment = self._spool.rotate()
            self._rotated = time.monotonic()

    def _after_jump(self) -> None:
        """Handle a clock that was set back: write all windows, and start over under another source."""
        self._status.clock_jumps += 1
        self._flush()
        if any(window.changed for window in self._windows.values()):
            return
        try:
            self._spool.keep({"epoch": self._epoch + 1, "closed_ms": 0})
        except OSError as error:
            self._status.error = f"spool: {error.strerror}"
            return
        self._epoch += 1
        self._closed_ms = 0
        self._windows.clear()
        self._rotate()
        for number in [n for n in self._segments if n != self._segment]:
            self._spool.remove(number)
            del self._segments[number]

    def _flush(self) -> None:
        """Write every changed window, and wait for the write."""
        self.sync()
        self._settle(FLUSH_TIMEOUT_S)
        self._retry_at, self._failures = 0.0, 0
        while changed := {start: window for start, window in self._windows.items() if window.changed}:
            self._start_write(changed)
            self._settle(FLUSH_TIMEOUT_S)
            if self._write is not None or self._failures:
                return

    def close(self) -> None:
        """Write every window. The spool stays: a restarted collector continues open windows from it."""
        self._flush()
        self._writer.shutdown(wait=True)
        self._logs.close()
        with suppress(OSError):
            self._spool.close()


def _return_memory() -> None:
    """Give freed memory back to the system; the C library keeps it after a flood."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _first(windows: dict[int, Window]) -> dict[int, Window]:
    """Return the oldest windows, at least one, with at most MOST_KEYS_IN_WRITE keys."""
    keys = 0
    chosen: dict[int, Window] = {}
    for start, window in sorted(windows.items()):
        keys += len(window.cells)
        if chosen and keys > MOST_KEYS_IN_WRITE:
            break
        chosen[start] = window
    return chosen


def run_collector(config: Config, store: Sink, *, listen: str | None = None) -> None:
    """Collect until SIGTERM or SIGINT. listen: UDP address in place of that of the settings.

    Raises: BusyError (another collector uses the state folder), UnavailableError (an address is in use), DeniedError.
    """
    address = listen or config.telemetry.listen
    folder = config.state_dir / "collector"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder)
    except OSError as error:
        raise DeniedError(
            f"the collector cannot use {str(folder)!r}: {error.strerror}: check the permissions of the folder"
        ) from error
    status = CollectorStatus(utc_now(), listen=address)
    with lock:
        collector = Collector(config, store, status)
        try:
            receivers = Receivers(config.telemetry, collector.receive, listen=address)
        except PratiqueError:
            collector.close()
            raise
        stop: list[int] = []
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda number, _: stop.append(number))
        try:
            _loop(collector, receivers, status, config.state_dir, stop)
        finally:
            collector.close()
            receivers.close()
            status.ended, status.updated_at = True, utc_now()
            with suppress(OSError):
                status.write(config.state_dir)


def _loop(
    collector: Collector, receivers: Receivers, status: CollectorStatus, state_dir: Path, stop: list[int]
) -> None:
    synced = ticked = reported = 0.0
    while not stop:
        receivers.wait(TICK_S)
        now = time.monotonic()
        if now - synced > SYNC_S:
            collector.sync()
            synced = now
        if now - ticked > TICK_S:
            collector.tick()
            ticked = now
        if now - reported > STATUS_S:
            status.updated_at, status.kernel_dropped = utc_now(), receivers.kernel_dropped()
            status.framing_errors, status.connections = receivers.framing_errors, receivers.connections
            status.refused, status.not_allowed = receivers.refused, receivers.not_allowed
            with suppress(OSError):
                status.write(state_dir)
            reported = now
    receivers.drain()


def _lock(folder: Path) -> TextIO:
    file = (folder / "lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise BusyError(f"another collector (process {holder}) uses {str(folder)!r}: stop it first") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
