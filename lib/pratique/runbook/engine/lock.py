"""One run per service at a time: a lock that names its holder, and that the kernel releases when the holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from pratique.clock import stamp, utc_now
from pratique.errors import BusyError, DeniedError


@dataclass(frozen=True)
class Holder:
    """Who holds the lock, on which host, for which run and why."""

    who: str
    host: str
    pid: int
    run: str
    reason: str
    since: str

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return f"run {self.run!r} of {self.who}{why}, process {self.pid} on {self.host}, since {self.since[:19]}Z"


class Lock:
    """A service's lock: `flock` on a file, which the kernel releases when the holder dies.

    The file's text names the holder, and releasing the lock empties it. Text without a lock therefore names a
    holder that died.
    """

    def __init__(self, state_dir: Path, service: str) -> None:
        """Name the lock. Nothing is written before it is taken."""
        self.path = state_dir / "locks" / f"{service}.lock"
        self._service = service
        self._file: IO[str] | None = None

    def take(self, *, who: str, run: str, reason: str) -> Holder | None:
        """Take the lock. Return the dead holder it was taken over from, if any.

        Raises: BusyError naming the holder, DeniedError.
        """
        file = self._acquire()
        dead = _read(file)
        mine = Holder(who, socket.gethostname(), os.getpid(), run, reason, stamp(utc_now()))
        _write(file, json.dumps(asdict(mine)))
        self._file = file
        return dead

    @contextlib.contextmanager
    def blocking_new_runs(self) -> Iterator[None]:
        """Block new runs for the time of a `with`. The name of a dead holder stays. Raises: BusyError, DeniedError."""
        with self._acquire():
            yield

    def release(self) -> None:
        """Release the lock; releasing it twice is allowed."""
        if self._file is not None:
            _write(self._file, "")
            self.abandon()

    def abandon(self) -> None:
        """Release the lock and keep the holder's name, as if this process had died: the run has not ended."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def holder(self) -> Holder | None:
        """Return the current holder without taking the lock; None when it is free."""
        return self._look(taken=True)

    def abandoned(self) -> Holder | None:
        """Return the holder that died with the lock; None when there is none."""
        return self._look(taken=False)

    def _look(self, *, taken: bool) -> Holder | None:
        try:
            file = self.path.open(encoding="utf-8")
        except OSError:
            return None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _read(file) if taken else None
            return None if taken else _read(file)

    def _acquire(self) -> IO[str]:
        file = self._open()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held = _read(file)
            file.close()
            end = f"end it with: pratique abort {held.run}" if held else "look again in a moment"
            raise BusyError(
                f"{self._service} is held by {held or 'a run that is starting'}: wait for that run, or {end}"
            ) from None
        return file

    def _open(self) -> IO[str]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return self.path.open("a+", encoding="utf-8")
        except OSError as error:
            raise DeniedError(
                f"lock {str(self.path)!r} cannot be opened: {error.strerror}: check the state folder"
            ) from error


def _write(file: IO[str], text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()
    os.fsync(file.fileno())


def _read(file: IO[str]) -> Holder | None:
    file.seek(0)
    try:
        return Holder(**json.loads(file.read()))
    except (ValueError, TypeError):
        return None
