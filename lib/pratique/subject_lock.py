"""One run per subject at a time: a lock that names its holder, and that the kernel releases when the holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from pratique.clock import stamp, utc_now
from pratique.errors import BusyError, DeniedError
from pratique.files import open_private
from pratique.kept_json import parse_kept
from pratique.lock_holders import describe_process, is_pratique, lock_holders

STARTING_S = 0.5
"""How long a process may hold the lock before it has written who holds it."""


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
    """A subject's lock: `flock` on a file, which the kernel releases when the holder dies.

    The file's text names the holder, and releasing the lock empties it. Text without a lock therefore names a
    holder that died.
    """

    def __init__(self, state_dir: Path, subject: str) -> None:
        """Name the lock. Nothing is written before it is taken. subject: a service, or KIND@NAME."""
        self.path = state_dir / "locks" / f"{subject}.lock"
        self._subject = subject
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

    def require_free(self) -> None:
        """Check that no run holds the lock, without taking it. Raises: BusyError naming the holder."""
        held = self.holder()
        if held is not None:
            raise BusyError(f"{self._subject} is held by {_how_to_end(held)}")

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
            with file:
                raise BusyError(f"{self._subject} is held by {self._named_holder(file)}") from None
        return file

    def _named_holder(self, file: IO[str]) -> str:
        """Name the run that holds the lock, or any other process that locked the file."""
        ends = time.monotonic() + STARTING_S
        while True:
            held, locking = _read(file), lock_holders(file.fileno())
            if held is not None and (held.host != socket.gethostname() or held.pid in locking or not locking):
                return _how_to_end(held)
            # a run writes its name just after it has taken the lock, and a look at the lock takes a moment
            if time.monotonic() > ends:
                break
            time.sleep(STARTING_S / 10)
        if not locking:
            return "a run that is starting: look again in a moment"
        others = " and ".join(map(describe_process, locking))
        if all(map(is_pratique, locking)):
            return f"{others}: wait until it has ended"
        return f"{others}, which is no run of Pratique: end it, if it locks {str(self.path)!r} by mistake"

    def _open(self) -> IO[str]:
        try:
            file: IO[str] = open_private(self.path, "a+", encoding="utf-8")
        except OSError as error:
            raise DeniedError(
                f"lock {str(self.path)!r} cannot be opened: {error.strerror}: check the state folder"
            ) from error
        return file


def _how_to_end(held: Holder) -> str:
    return f"{held}: wait for that run, or end it with: pratique abort {held.run}"


def _write(file: IO[str], text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()
    os.fsync(file.fileno())


def _read(file: IO[str]) -> Holder | None:
    file.seek(0)
    try:
        return parse_kept(file.read(), Holder)
    except ValueError:
        return None
