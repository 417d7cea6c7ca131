"""The acceptance test: what a new instance must do before it gets any user traffic."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pratique.errors import UnavailableError
from pratique.runtime.base import Instance
from pratique.runtime.probe import FIRST_ERROR_STATUS, ask

ANSWER_S = 10.0
"""How long one path may take to answer."""
TAIL_BYTES = 4096
LAST_WORDS = 600
POLL_S = 0.05


def try_paths(
    instance: Instance,
    paths: Sequence[str],
    *,
    deadline: float,
    masked: Callable[[str], str] = lambda text: text,
) -> None:
    """Ask for each path, which must be answered below 400. deadline: in time.monotonic(), for all of them.

    masked: takes secrets out of the answer. Raises: UnavailableError with the path and the answer.
    """
    for path in paths:
        left = deadline - time.monotonic()
        status, said = (
            (0, "no time left") if left <= 0 else ask(instance.address, path, min(ANSWER_S, left), most=TAIL_BYTES)
        )
        if not 0 < status < FIRST_ERROR_STATUS:
            answer = f"{status} {plain(masked(said))[:LAST_WORDS]}".rstrip() if status else f"no answer ({said})"
            raise UnavailableError(f"{instance} failed its acceptance test at {path!r:.200}: {answer}")


def try_command(
    instance: Instance,
    command: Sequence[str],
    *,
    deadline: float,
    folder: Path,
    masked: Callable[[str], str] = lambda text: text,
) -> None:
    """Run a command in `folder`, which must end with 0. masked: takes secrets out of what it said.

    Raises: UnavailableError with how it ended and its last lines.
    """
    values = {"address": instance.address, "service": instance.service, "revision": instance.revision}
    argv = [_filled(word, {**values, "python": sys.executable}) for word in command]
    try:
        process = subprocess.Popen(
            argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise UnavailableError(f"the acceptance test {argv[0]!r:.200} cannot be run: {error.strerror}") from error
    try:
        said, status = _followed(process, deadline)
    finally:
        _end(process)
    if status != 0:
        how = "did not end in time" if status is None else f"ended with {status}"
        words = plain(masked(said))[-LAST_WORDS:] or "it said nothing"
        raise UnavailableError(f"{instance} failed its acceptance test: {argv[0]!r:.200} {how}: {words}")


def plain(text: str) -> str:
    """Text of a stranger on one line: lines apart by bars, nothing that moves a terminal's cursor."""
    lines = (" ".join("".join(c if c.isprintable() else " " for c in line).split()) for line in text.splitlines())
    return " | ".join(line for line in lines if line)


def _followed(process: subprocess.Popen[bytes], deadline: float) -> tuple[str, int | None]:
    """What it said last, and its exit status; None when the deadline passed first.

    A child that it left behind may go on talking: that is listened to until the deadline at most.
    """
    output, said, ended = process.stdout.fileno(), b"", None  # type: ignore[union-attr] # it is a pipe
    while True:
        # after its end only what is there already: a child that it left behind may hold the pipe open
        readable = select.select([output], [], [], 0 if ended is not None else POLL_S)[0]
        piece = os.read(output, 65536) if readable else b""
        said = (said + piece)[-TAIL_BYTES:]
        if ended is not None and not piece:
            return said.decode("utf-8", "replace"), ended
        if time.monotonic() > deadline:
            return said.decode("utf-8", "replace"), ended
        ended = process.poll()
        if readable and not piece and ended is None:
            time.sleep(POLL_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it with everything it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _filled(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        word = word.replace("{" + name + "}", value)
    return word
