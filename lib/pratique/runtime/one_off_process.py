"""One-off processes of this machine, for a service of local processes: the same guarantees, as far as a process has them.

A process has no own memory limit, no capabilities to drop and no read-only root: neither have the instances of such a
service. Its lock, its time limit, its bounded log and its kept end are those of a container.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from typing_extensions import override

from pratique.clock import utc_now
from pratique.config import RuntimeSettings
from pratique.errors import MissingError, UnavailableError
from pratique.files import make_private_folder
from pratique.isolated import isolated_command
from pratique.kept_json import read_kept
from pratique.own_processes import runs_as_us
from pratique.release.secrets import mask, resolve_env
from pratique.runtime.one_off import LOG_MOST_BYTES, LOST_LINE, NameTakenError, OneOff, OneOffRunner, OneOffState
from pratique.runtime.process import filled, passed_on
from pratique.runtime.supervise_one_off import LOCK, LOG, STATE

SUPERVISOR = "pratique.runtime.supervise_one_off"
START_S = 20.0
FOLDER = "one-off"


@dataclass(frozen=True)
class _Kept:
    """The facts that the supervisor keeps."""

    name: str
    service: str
    revision: str
    run: str
    timeout_s: float
    created: str
    supervisor: int
    labels: dict[str, str] = field(default_factory=dict)
    started: str = ""
    ended: str = ""
    pid: int = 0
    exit_code: int | None = None
    error: str = ""


class ProcessOneOff(OneOffRunner):
    """Runs processes once, on this machine."""

    def __init__(self, settings: RuntimeSettings, state_dir: Path, base: Path) -> None:
        """state_dir: below it is a folder for each name. base: folder of relative paths."""
        self._settings = settings
        self._home = Path(state_dir).resolve() / FOLDER
        self._base = base

    @override
    def now(self) -> datetime:
        return utc_now()

    @override
    def find(self, name: str) -> OneOffState | None:
        folder = self._home / name
        held = _is_held(folder / LOCK)
        if held:
            self._wait_kept(folder)
        try:
            kept = read_kept(folder / STATE, _Kept)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise UnavailableError(f"{str(folder / STATE)!r} cannot be read: {error}"[:300]) from error
        if not held and not kept.ended and not kept.error:
            # its supervisor may have written its end and released the lock between the two looks
            kept = read_kept(folder / STATE, _Kept)
        return _state(kept, gone=not held)

    @override
    def start(self, wanted: OneOff) -> OneOffState:
        release, folder = wanted.release, self._home / wanted.name
        if not Path(release.location).is_dir():
            raise MissingError(f"release directory {release.location!r} does not exist: restore it")
        there = self.find(wanted.name)
        if there is not None:
            raise NameTakenError(f"a run {there.run!r} of {wanted.name!r} is there already: wait until it ends")
        values = {"dir": release.location, "python": sys.executable}
        given = {"name": wanted.name, "service": release.service, "revision": release.revision, "run": wanted.run}
        kept = json.dumps({**given, "timeout_s": float(wanted.timeout_s), "labels": dict(wanted.labels)})
        labels = {"SERVICE": release.service, "REVISION": release.revision, "RUN": wanted.run}
        labels |= {key.upper(): value for key, value in wanted.labels.items()}
        env = passed_on() | resolve_env(release.env, self._base) | {f"PRATIQUE_{key}": v for key, v in labels.items()}
        make_private_folder(folder)
        answer = self._supervised(
            wanted, [filled(word, values) for word in wanted.command], env | {"PRATIQUE_ONE_OFF": kept}
        )
        if answer == "taken":
            raise NameTakenError(f"{wanted.name!r} runs already: wait until it ends")
        found = self.find(wanted.name)
        if answer != "ok" or found is None:
            raise UnavailableError(f"cannot start {wanted.name!r}: its supervisor did not start: {answer[:300]}")
        return found

    @override
    def begin(self, state: OneOffState) -> None:
        """Do nothing: its supervisor starts it, or says why it cannot."""

    @override
    def stop(self, state: OneOffState, *, drain_s: float) -> None:
        kept = self._kept(state)
        if kept is None:
            return
        supervisor = _process_of(kept.supervisor)
        if supervisor is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(kept.supervisor, signal.SIGTERM)
            self._wait_free(state.name, drain_s)
        if _is_held(self._home / state.name / LOCK):
            # their supervisor is dead
            _kill_left(state.run)
            self._wait_free(state.name, 5.0)

    @override
    def log(self, state: OneOffState) -> str:
        file = self._home / state.name / LOG
        parts = [_read_end(path) for path in (file.with_name(f"{LOG}.1"), file)]
        text, whole = b"".join(parts)[-LOG_MOST_BYTES:], sum(map(len, parts)) <= LOG_MOST_BYTES
        if not whole:
            text = LOST_LINE.encode() + b"\n" + text.partition(b"\n")[2]
        return mask(text.decode("utf-8", "replace"), self._settings.env, self._base)

    @override
    def remove(self, state: OneOffState) -> None:
        if self._kept(state) is None or _is_held(self._home / state.name / LOCK):
            return
        # the lock file stays: whoever holds it open must meet whoever opens it later
        for name in (STATE, LOG, f"{LOG}.1"):
            (self._home / state.name / name).unlink(missing_ok=True)

    @override
    def release_secrets(self, state: OneOffState) -> None:
        """Do nothing: a process has its secrets in its environment, which ends with it."""

    def _supervised(self, wanted: OneOff, command: list[str], env: Mapping[str, str]) -> str:
        times = (str(wanted.timeout_s), str(wanted.drain_s))
        words = isolated_command(SUPERVISOR, str(self._home / wanted.name), *times, *command)
        try:
            done = subprocess.run(
                words, cwd=wanted.release.location, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True,
                timeout=START_S, check=False,
            )  # fmt: skip
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise UnavailableError(f"cannot start {wanted.name!r}: {type(error).__name__}") from error
        return done.stdout.decode("utf-8", "replace") or done.stderr.decode("utf-8", "replace").strip()[-300:]

    def _kept(self, state: OneOffState) -> _Kept | None:
        """The facts that the supervisor keeps, if they are still of that run."""
        with contextlib.suppress(OSError, ValueError):
            kept = read_kept(self._home / state.name / STATE, _Kept)
            return kept if kept.run == state.run else None
        return None

    @staticmethod
    def _wait_kept(folder: Path) -> None:
        """Wait until a supervisor that has just taken the lock has kept its first facts."""
        deadline = time.monotonic() + START_S
        while not (folder / STATE).exists() and _is_held(folder / LOCK) and time.monotonic() < deadline:
            time.sleep(0.02)

    def _wait_free(self, name: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds + 1.0
        while _is_held(self._home / name / LOCK) and time.monotonic() < deadline:
            time.sleep(0.05)


def _state(kept: _Kept, *, gone: bool) -> OneOffState:
    """gone: no process of it is left. One that did not keep its end was killed with its supervisor."""
    ended = datetime.fromisoformat(kept.ended) if kept.ended else None
    created = datetime.fromisoformat(kept.created)
    lost = gone and ended is None and not kept.error
    return OneOffState(
        id=str(kept.supervisor),
        name=kept.name,
        service=kept.service,
        revision=kept.revision,
        run=kept.run,
        labels=kept.labels,
        created=created,
        started=datetime.fromisoformat(kept.started) if kept.started else None,
        # of one that was killed with its supervisor nobody knows when it ended
        ended=datetime.fromisoformat(kept.started) if lost and kept.started else ended,
        exit_code=kept.exit_code,
        oom=False,
        error=kept.error or ("its supervisor died before it started" if lost and not kept.started else ""),
        timeout_s=kept.timeout_s,
    )


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _process_of(pid: int) -> object | None:
    import psutil  # noqa: PLC0415 - slow to load

    try:
        process = psutil.Process(pid)
    except psutil.Error:
        return None
    return process if runs_as_us(process, SUPERVISOR) else None


def _kill_left(run: str) -> None:
    """Kill the processes of a run, in other sessions too. They are known by the run in their environment."""
    import psutil  # noqa: PLC0415 - slow to load

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get("PRATIQUE_RUN") == run:
                process.kill()


def _read_end(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_MOST_BYTES - 1))
            return file.read()
    except FileNotFoundError:
        return b""
