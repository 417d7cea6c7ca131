"""The collector (`pratique collect`): receive access lines and write rollups, without loss and without counting twice.

Each line is first written to the spool, which is durable within half a second. Windows are added up in memory. They
are written with their full totals when they close, and again with late lines, see `late_writes`. After a kill at any time
the collector reads the spool, computes the same totals, and continues: the store replaces rows with the same key.
While the store takes no writes, finished windows are kept as files, in little space, and written in order when it does.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import pyarrow as pa

from pratique.clock import now_ms, utc_now
from pratique.config import Config, TelemetrySettings
from pratique.errors import BusyError, DataError, DeniedError, PratiqueError, RetentionError
from pratique.files import make_private_folder, open_private
from pratique.lock_holders import describe_process, lock_holders
from pratique.own_processes import pid_namespace
from pratique.telemetry.access_line import AccessLine
from pratique.telemetry.accesslog import decode, looks_like_access, read, without_query
from pratique.telemetry.aggregate import Window, rollups_of
from pratique.telemetry.collector_losses import CollectorLosses
from pratique.telemetry.collector_settings import changed_settings, counting_config, counts_alike, settings_of
from pratique.telemetry.collector_status import CollectorStatus
from pratique.telemetry.containerlogs import PREFIX, ContainerLogs
from pratique.telemetry.late_writes import next_write_ms
from pratique.telemetry.line_keys import LineKeys
from pratique.telemetry.loss_counts import UNIX, LossCounts, Sender
from pratique.telemetry.receivers import Receivers
from pratique.telemetry.rollups import Sink
from pratique.telemetry.sequence import Senders
from pratique.telemetry.spool import Facts, Spool, new_source
from pratique.telemetry.syslog import Message, parse
from pratique.telemetry.unstored_windows import UnstoredFile, UnstoredWindows

if TYPE_CHECKING:
    from pratique.telemetry.declared_lines import DeclaredLines

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
PUT_ASIDE_MS = 60_000
"""Time between two files of finished windows while the store takes no writes."""
BACKLOG_S = 1.0
"""Time between two looks at the disk space of the lines and windows that the store has not taken."""
MOST_CHANGES = 100
"""Changes of settings that are remembered."""
MOST_KEYS_IN_WRITE = 20_000
"""Keys from which the next window waits for the next write: a write needs several times the memory of its windows."""
RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Delays before the first and each further retry of a failed write; the last one repeats."""


class Collector:
    """Receive datagrams, spool them, add them up, and write the rollups to a store."""

    def __init__(self, config: Config, store: Sink, status: CollectorStatus) -> None:
        """Read the spool of an earlier collector with the same state folder. store: where rollups are written.

        The spooled lines are counted with the settings of that collector, and written, before others take effect.
        """
        self._status = status
        self._spool = Spool(config.state_dir / "collector" / "spool")
        self._facts = self._spool.facts
        self._use(counting_config(self._facts.settings, config) if self._facts.settings else config, store)
        self._pending: tuple[Config, Sink] | None = None
        self._retry_follow_at = 0.0
        self._windows: dict[int, Window] = {}
        self._senders = Senders()
        self.losses = LossCounts()
        self._logs = ContainerLogs(
            config.state_dir, limit_bytes=int(config.telemetry.container_log_mb * 1e6), services=config.services
        )
        self._last_ms = 0
        self._segments: dict[int, int] = {}
        self._writer = ThreadPoolExecutor(1, "store")
        self._write: Future[None] | None = None
        self._writing: dict[int, Window] = {}
        self._unstored = UnstoredWindows(config.state_dir / "collector" / "unstored")
        self._writing_files: list[UnstoredFile] = []
        self._put_aside_ms = self._measured_s = 0.0
        self._full = False
        self._failures = 0
        self._retry_at = 0.0
        for number, record in self._spool.replay(self._facts.first_segment):
            self._segment = number
            telemetry = self._config.telemetry
            line = decode(record, telemetry.httplog, telemetry.host, self._formats)
            if line is not None and self._keys.takes(line.service) and self._is_new(line):
                self._take(line, self._start_of(line))
        status.received = status.late = status.duplicates = status.lost_on_way = status.folded = 0
        status.failed_attempts = {}
        self._segment = self._spool.rotate()
        self._rotated = time.monotonic()
        self.follow(config, store)

    @property
    def store_url(self) -> str:
        """URL of the store that the windows are written to."""
        return self._config.store.url

    def follow(self, config: Config, store: Sink) -> bool:
        """Work by other settings from now on; return whether it does.

        Earlier counts stay as they are: they are written first, and rows of other windows, names or stores follow under
        another source. What the store before does not take, such as a bucket that does not exist, is written to the new one, in
        windows that are complete there. While that takes no write either the settings stay, and `tick` tries again.
        """
        wanted = settings_of(config.telemetry, config.store, config.services, config.export, listen=self._status.listen)
        self._status.settings = self._facts.settings or wanted
        source = new_source() if self._facts.source == Facts().source else self._facts.source
        alike = counts_alike(self._status.settings, wanted) and source == self._facts.source
        if not alike and self._segments and not self._start_over(source, wanted):
            self._store = store
            if self._write is not None or not self._start_over(source, wanted):
                self._pending, self._retry_follow_at = (config, store), time.monotonic() + RETRY_S[-1]
                return False
        self._pending, folded = None, self._keys.folded
        self._use(config, store)
        self._keys.folded = folded
        self._logs.keep(limit_bytes=int(config.telemetry.container_log_mb * 1e6), services=config.services)
        changes = [[utc_now().isoformat(), text] for text in changed_settings(self._status.settings, wanted)]
        self._remember(source=source, settings=wanted, changes=[*self._facts.changes, *changes][-MOST_CHANGES:])
        self._status.settings, self._status.changes = wanted, self._facts.changes
        return True

    def _use(self, config: Config, store: Sink) -> None:
        self._config, self._store = config, store
        self._span = config.telemetry.window_s * 1000
        self._late_ms = int(config.telemetry.late_s * 1000)
        self._keys = LineKeys(config)
        self._formats = _declared_lines(config)

    def _remember(self, **changed: Any) -> bool:
        """Keep changed facts; return whether they are on disk."""
        facts = replace(self._facts, **changed)
        try:
            self._spool.keep(facts)
        except OSError as error:
            self._status.error = f"spool: {error.strerror}"
            return False
        self._facts = facts
        return True

    def receive(self, datagram: bytes, sender: Sender = UNIX) -> None:
        """Take in one datagram, or one message of a stream."""
        message = parse(datagram)
        if message is not None and message.app.startswith(PREFIX) and self._logs.take(message):
            self._status.container_lines, self._status.container_lost = self._logs.lines, self._logs.lost
            return
        telemetry = self._config.telemetry
        line = None if message is None else read(message, telemetry.httplog, telemetry.host, self._formats)
        if message is None or line is None:
            self._take_unreadable(message, sender)
            return
        now, start = now_ms(), self._start_of(line)
        if not self._keys.takes(line.service):
            self._status.undeclared += 1
        elif line.time_ms > now + FUTURE_MS:
            self._status.future += 1
            self.losses.lost(line.service, "a time in the future")
        elif not self._is_new(line):
            self._status.duplicates += 1
        elif start + self._span + self._late_ms < now or start + self._span <= self._facts.closed_ms:
            self._status.late += 1
            self.losses.lost(line.service, "late")
        elif self._spool.full or self._full:
            self._status.unkept += 1
            self.losses.lost(
                line.service, "not written to the disk" if self._spool.full else "telemetry.spool_mb is full"
            )
        elif self._take(line, start):
            self._spool.append(without_query(datagram, message, self._formats))
            self.losses.counted(sender, line)

    def _take_unreadable(self, message: Message | None, sender: Sender) -> None:
        if message is not None and not looks_like_access(message):
            self._status.other += 1
        else:
            self._status.malformed += 1
            self.losses.unreadable(sender, message, self._keys.services)

    def _is_new(self, line: AccessLine) -> bool:
        # a sender without numbering gives no way to detect missing or repeated lines
        fresh, missing = self._senders.seen(line.boot, line.sequence) if line.boot else (True, 0)
        if missing:
            self._status.lost_on_way += missing
            self.losses.lost(line.service, "missing in the sender's numbering", missing)
        return fresh

    def _start_of(self, line: AccessLine) -> int:
        return line.time_ms // self._span * self._span

    def _take(self, line: AccessLine, start: int) -> bool:
        if start + self._span <= self._facts.closed_ms:
            self._status.late += 1
            return False
        window = self._windows.get(start)
        if window is None:
            window = self._windows[start] = Window()
        key = self._keys.key(line, window)
        window.add(key, line.duration_ms)
        if line.failed_attempts:
            of_service = self._status.failed_attempts.setdefault(key[0], {})
            of_service[key[1]] = of_service.get(key[1], 0) + line.failed_attempts
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
        if self._pending is not None and self._status.error is None and time.monotonic() > self._retry_follow_at:
            self.follow(*self._pending)
        self._put_aside(now)
        over = {s: w for s, w in self._windows.items() if s + self._span + GRACE_MS <= now}
        self._start_write({start: window for start, window in over.items() if self._is_due(start, window, now)})
        self._forget(now)
        if time.monotonic() - self._rotated > SEGMENT_S:
            self._rotate()
        self._measure_backlog()
        kept = self._unstored.first_ms
        unstored = [start for start, window in over.items() if not window.stored]
        self._status.waiting = len(self._unwritten()) + self._unstored.windows
        self._status.unstored_ms = min(unstored + ([] if kept is None else [kept]), default=None)

    def _is_due(self, start: int, window: Window, now: int) -> bool:
        """Whether a closed window has lines to write now: late ones wait, but no longer than others may come."""
        return bool(window.changed) and (window.due_ms <= now or start + self._span + self._late_ms < now)

    def _start_write(self, windows: dict[int, Window]) -> bool:
        """Begin a write; return whether there was something to write, and nothing in its way. Older windows go first."""
        if self._write is not None or time.monotonic() < self._retry_at:
            return False
        if self._start_write_of_files():
            return True
        if not windows:
            return False
        windows = _first(windows)
        # under a new source, windows that occur again (after a clock jump or other settings) add to the stored ones
        rollups = rollups_of(windows, window_s=self._config.telemetry.window_s, source=self._facts.row_source)
        for window in windows.values():
            window.begin_write()
        self._writing = windows
        self._write = self._writer.submit(self._store.write, rollups)
        return True

    def _start_write_of_files(self) -> bool:
        while files := self._unstored.oldest(MOST_KEYS_IN_WRITE):
            try:
                rollups = self._unstored.read(files)
            except DataError as error:
                print(f"pratique collect: {error}", file=sys.stderr, flush=True)  # noqa: T201
                self._status.damaged += 1
                continue
            except (OSError, MemoryError, pa.ArrowException) as error:
                self._failed(f"windows that wait for the store cannot be read: {error}")
                return True
            self._writing, self._writing_files = {}, files
            self._write = self._writer.submit(self._store.write, rollups)
            return True
        return False

    def _settle(self, timeout: float = 0.0) -> None:
        """Handle the result of a finished write; wait up to `timeout` s for it."""
        if self._write is None:
            return
        with suppress(TimeoutError):
            error = self._write.exception(timeout) if timeout or self._write.done() else TimeoutError()
            if isinstance(error, TimeoutError):
                return
            self._write, files, self._writing_files = None, self._writing_files, []
            if isinstance(error, RetentionError):
                print(f"pratique collect: {error}", file=sys.stderr, flush=True)  # noqa: T201
                error = None
            if error is None:
                self._failures, self._retry_at, self._status.error = 0, 0.0, None
                self._status.last_window = utc_now().isoformat()
                now = now_ms()
                for start, window in self._writing.items():
                    closed = start + self._span + GRACE_MS
                    window.wrote(closed + next_write_ms(now - closed))
                self._unstored.remove(files)
                return
            for window in self._writing.values():
                window.failed()
            self._failed(str(error))
            if not isinstance(error, PratiqueError):
                print(f"pratique collect: unexpected {type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201

    def _failed(self, error: str) -> None:
        self._status.error = error
        self._retry_at = time.monotonic() + RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        self._failures += 1

    def _unwritten(self) -> list[int]:
        """Windows with requests that the store has not acknowledged: those that wait, and those of a write in progress."""
        in_flight = self._writing if self._write is not None else {}
        return [start for start, window in self._windows.items() if window.changed or start in in_flight]

    def _put_aside(self, now: int) -> None:
        """Keep windows that take no more lines as files while the store takes no writes, and after that until it has them."""
        recently = self._put_aside_ms <= now < self._put_aside_ms + PUT_ASIDE_MS
        if recently or not (self._failures or self._unstored.windows):
            return
        in_flight = self._writing if self._write is not None else {}
        over = {
            start: window
            for start, window in sorted(self._windows.items())
            if window.changed and start not in in_flight and start + self._span <= now - self._late_ms
        }
        if not over:
            return
        rollups = rollups_of(over, window_s=self._config.telemetry.window_s, source=self._facts.row_source)
        try:
            self._unstored.add(rollups, first_ms=min(over), windows=len(over))
        except OSError as error:
            self._status.error = f"unstored windows: {error.strerror}"
            return
        self._put_aside_ms = now
        for window in over.values():
            window.changed, window.stored = set(), True

    def _measure_backlog(self) -> None:
        if time.monotonic() - self._measured_s > BACKLOG_S:
            most = self._config.telemetry.spool_mb * 1e6
            self._full, self._measured_s = self._spool.size_bytes + self._unstored.size_bytes > most, time.monotonic()

    def _forget(self, now: int) -> None:
        """Drop windows that are too old for late lines, and segments with lines of dropped windows only."""
        bound = min([now - self._late_ms, *self._unwritten()])
        over = [start for start in self._windows if start + self._span <= bound]
        if not over:
            return
        self._facts = replace(self._facts, closed_ms=max(self._facts.closed_ms, max(over) + self._span))
        keys = sum(len(self._windows[start].cells) for start in over)
        for start in over:
            del self._windows[start]
        if keys > MOST_KEYS_IN_WRITE // 10:
            _return_memory()
        self._keys.forget(self._facts.closed_ms, sum(len(window.cells) for window in self._windows.values()))
        done = [n for n, end in self._segments.items() if end <= self._facts.closed_ms and n != self._segment]
        if done:
            with suppress(OSError):
                self._spool.keep(self._facts)
                self._drop(done)

    def _drop(self, segments: Iterable[int]) -> None:
        for number in list(segments):
            self._spool.remove(number)
            self._segments.pop(number, None)

    def _rotate(self) -> None:
        with suppress(OSError):
            self._segment = self._spool.rotate()
            self._rotated = time.monotonic()

    def _after_jump(self) -> None:
        """Handle a clock that was set back: write all windows, and start over under another source."""
        self._status.clock_jumps += 1
        self._start_over(self._facts.source, self._facts.settings, in_flight=True)

    def _start_over(self, source: str, settings: dict[str, Any], *, in_flight: bool = False) -> bool:
        """Write all windows, and count from now on in new ones; return False while that is impossible.

        in_flight: whether a write may still go on; a clock that was set back does not wait for it.
        """
        self._flush()
        if (self._write is not None and not in_flight) or any(window.changed for window in self._windows.values()):
            return False
        before = self._segment
        self._rotate()
        if self._segment == before:
            return False
        epoch = self._facts.epoch + 1 if source == self._facts.source else 0
        first = {"source": source, "epoch": epoch, "first_segment": self._segment, "closed_ms": 0}
        if not self._remember(**first, settings=settings):
            return False
        self._windows.clear()
        self._drop(number for number in self._segments if number != self._segment)
        return True

    def _flush(self) -> None:
        """Write every changed window, and wait for the write."""
        self.sync()
        self._settle(FLUSH_TIMEOUT_S)
        self._failures = 0
        while self._write is None and not self._failures:
            self._retry_at = 0.0
            if not self._start_write({start: window for start, window in self._windows.items() if window.changed}):
                return
            self._settle(FLUSH_TIMEOUT_S)

    def close(self) -> None:
        """Write every window. The spool stays: a restarted collector continues open windows from it."""
        self._flush()
        self._writer.shutdown(wait=True)
        self._logs.close()
        with suppress(OSError):
            self._spool.close()


def _declared_lines(config: Config) -> DeclaredLines | None:
    if not any(settings.imports.log_format for settings in config.services.values()):
        return None
    # polars takes memory that a collector without declared formats has for its windows
    from pratique.telemetry.declared_lines import DeclaredLines  # noqa: PLC0415

    return DeclaredLines(config)


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


def run_collector(
    config: Config,
    store: Sink,
    *,
    listen: str | None = None,
    reread: Callable[[], tuple[Config, Callable[[], Sink]]] | None = None,
    exports: Callable[[], list[str]] = list,
    webhook: Callable[[], str] = str,
    begin: Callable[[], None] | None = None,
) -> None:
    """Collect until SIGTERM or SIGINT. listen: UDP address in place of that of the settings.

    reread: reads the service file again and returns what opens its store; called on SIGHUP, and no line is lost meanwhile.
    exports: what this process cannot pass on to other programs, for the status. webhook: what it took from webhooks, too.
    begin: called when this collector has the state folder for itself.
    Raises: BusyError (another collector uses the state folder), UnavailableError (an address is in use), DeniedError.
    """
    address = listen or config.telemetry.listen
    folder = config.state_dir / "collector"
    try:
        make_private_folder(folder)
        lock = _lock(folder)
    except OSError as error:
        raise DeniedError(
            f"the collector cannot use {str(folder)!r}: {error.strerror}: check the permissions of the folder"
        ) from error
    status = CollectorStatus(utc_now(), listen=address, pid=os.getpid(), pid_namespace=pid_namespace())
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
        reload = _Reload(collector, receivers, status, config.telemetry, listen, reread)
        try:
            if begin is not None:
                begin()
            _loop(collector, receivers, status, config.state_dir, stop, reload, exports, webhook)
        finally:
            collector.close()
            receivers.close()
            status.ended, status.updated_at = True, utc_now()
            with suppress(OSError):
                status.write(config.state_dir)


class _Reload:
    """Follow a changed service file on SIGHUP, with the sockets open."""

    def __init__(
        self,
        collector: Collector,
        receivers: Receivers,
        status: CollectorStatus,
        telemetry: TelemetrySettings,
        listen: str | None,
        reread: Callable[[], tuple[Config, Callable[[], Sink]]] | None,
    ) -> None:
        self._collector, self._receivers, self._status = collector, receivers, status
        self._telemetry, self._listen, self._reread = telemetry, listen, reread
        self._asked = False
        # at a terminal SIGHUP means that the terminal was closed
        if reread is not None and not sys.stdin.isatty():
            signal.signal(signal.SIGHUP, self._ask)

    def _ask(self, *_: object) -> None:
        self._asked = True

    def when_asked(self) -> None:
        """Read the service file again, if that was asked for. An error is in the log, and nothing changes."""
        if not self._asked or self._reread is None:
            return
        self._asked = False
        try:
            config, open_sink = self._reread()
            self._receivers.move(config.telemetry, listen=self._listen)
            store = self._opened(open_sink)
        except PratiqueError as error:
            print(f"pratique collect: the settings stay as they are: {error}", file=sys.stderr, flush=True)  # noqa: T201
            return
        self._status.listen = self._listen or config.telemetry.listen
        self._telemetry = config.telemetry
        self._collector.follow(config, store)

    def _opened(self, open_sink: Callable[[], Sink]) -> Sink:
        try:
            return open_sink()
        except PratiqueError:
            self._receivers.move(self._telemetry, listen=self._listen)
            raise


def _loop(
    collector: Collector,
    receivers: Receivers,
    status: CollectorStatus,
    state_dir: Path,
    stop: list[int],
    reload: _Reload,
    exports: Callable[[], list[str]],
    webhook: Callable[[], str],
) -> None:
    synced = ticked = reported = 0.0
    losses = CollectorLosses(state_dir)
    while not stop:
        receivers.wait(TICK_S)
        reload.when_asked()
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
            collector.losses.dropped(status.kernel_dropped)
            status.unread_from = collector.losses.unread_from()
            status.exports, status.webhook = exports(), webhook()
            with suppress(OSError):
                status.write(state_dir)
            with suppress(OSError, DataError):
                losses.update(int(status.updated_at.timestamp() * 1000), collector.losses, store=collector.store_url)
            reported = now
    receivers.drain()


def _lock(folder: Path) -> TextIO:
    file: TextIO = open_private(folder / "lock", "a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with file:
            holders = " and ".join(map(describe_process, lock_holders(file.fileno()))) or "another collector"
            raise BusyError(f"{str(folder)!r} is in use by {holders}: stop it first") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
