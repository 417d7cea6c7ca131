"""The background processes of a service: start one, find the running ones, stop one.

The environment is their label: PRATIQUE_PART is the command (`collector` or `balancer`), PRATIQUE_SERVICE the service,
PRATIQUE_STATE the state folder. Only a process of this user that runs Pratique is believed.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from pratique.errors import DeniedError, UnavailableError
from pratique.files import locked, open_private
from pratique.isolated import isolated_command
from pratique.own_processes import own_processes

PROGRAM = "pratique.cli"

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 15.0
LAST_LINES = 3
LONGEST_LINE = 200


@contextmanager
def changing_parts(state_dir: Path) -> Iterator[None]:
    """Within the context, no other command starts or stops background processes of a state folder; it waits for its turn.

    Raises: DeniedError.
    """
    if not state_dir.is_dir():
        # nothing runs, and a lock would leave a trace
        yield
        return
    try:
        with locked(state_dir / "processes" / "parts"):
            yield
    except PermissionError as error:
        raise DeniedError(
            f"{str(state_dir)!r} cannot be written: {error.strerror}: check the permissions of the state folder"
        ) from error


def spawn(state_dir: Path, part: str, service: str, arguments: Sequence[str], ready: Callable[[], bool]) -> None:
    """Start `pratique ARGUMENTS` in the background and wait until it is ready; its output goes to processes/PART.log.

    ready: asked several times a second.
    Raises: UnavailableError with the last log lines when the process ends, or is not ready in time.
    """
    log = state_dir / "processes" / f"{part}.log"
    with open_private(log, "ab") as output:
        before = output.tell()
        process = subprocess.Popen(
            isolated_command(PROGRAM, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | _labels(state_dir, part, service),
            start_new_session=True,
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise UnavailableError(f"the {part} did not start: {last_log_lines(log, before)} (log: {log})")
        time.sleep(0.05)


def find(state_dir: Path, part: str, service: str | None = None) -> list[psutil.Process]:
    """Return the running processes of a part. service: None finds those of all services."""
    wanted = _labels(state_dir, part, service)
    found = []
    for process in own_processes(PROGRAM):
        try:
            labels = process.environ()
        except psutil.Error:
            continue
        # an older version wrote the path as it was given
        labels["PRATIQUE_STATE"] = os.path.realpath(labels.get("PRATIQUE_STATE", ""))
        if wanted.items() <= labels.items():
            found.append(process)
    return found


def end(process: psutil.Process) -> None:
    """Terminate a process, and kill it when it does not end in time."""
    try:
        process.terminate()
        process.wait(STOP_TIMEOUT_S)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(STOP_TIMEOUT_S)
    except psutil.NoSuchProcess:
        return


def last_log_lines(log: Path, start: int) -> str:
    """Return the last lines of a log after byte `start`, on one line."""
    lines = log.read_bytes()[start:].decode("utf-8", "replace").splitlines()
    return " / ".join(line[:LONGEST_LINE] for line in lines[-LAST_LINES:]) or "no output"


def _labels(state_dir: Path, part: str, service: str | None) -> dict[str, str]:
    labels = {"PRATIQUE_PART": part, "PRATIQUE_STATE": os.path.realpath(state_dir)}
    return labels if service is None else labels | {"PRATIQUE_SERVICE": service}
