"""The acceptance test: the checks that a new instance must pass before it gets any user traffic."""

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
from typing import Any

from typing_extensions import override

from pratique.errors import UnavailableError
from pratique.release.secrets import mask
from pratique.runbook.common.steps import RunStep
from pratique.runbook.engine.console import plain, say_detail
from pratique.runbook.engine.step import Attempt, Data
from pratique.runbook.service.context import ServiceContext
from pratique.runtime.base import Instance
from pratique.runtime.probe import FIRST_ERROR_STATUS, ask

ACCEPT = "acceptance test"
"""The step's key."""

PATH_TIMEOUT_S = 10.0
"""How long one path may take to answer."""
TAIL_BYTES = 4096
OUTPUT_LIMIT = 600
"""Characters of an answer, or of a command's output, that an error shows."""
POLL_S = 0.05


class AcceptanceTest(RunStep[ServiceContext[Any]]):
    """Test each new instance before it gets any traffic."""

    key = ACCEPT
    title = "Acceptance test"
    description = "test each new instance before it gets any traffic"

    @override
    def do(self, attempt: Attempt) -> Data:
        attempt.require_time()
        context = self._context
        instances = context.new_instances()
        if not instances:
            raise UnavailableError(f"no instance of {context.revision!r} is running: there is nothing to test")
        rollout = context.settings.rollout
        if not rollout.acceptance_paths and not rollout.acceptance_command:
            attempt.say("the service file defines no acceptance test: only readiness was checked")
        else:
            for instance in instances:
                accept_instance(context, instance)
        tested = {"paths": list(rollout.acceptance_paths), "command": list(rollout.acceptance_command)}
        return {"passed": [instance.address for instance in instances], "ids": [i.id for i in instances], **tested}

    @override
    def holds(self, data: Data) -> bool:
        return {instance.id for instance in self._context.new_instances()} <= set(data["ids"])

    @override
    def effects(self) -> Sequence[str]:
        rollout = self._context.settings.rollout
        effects = [
            f"GET {path} of each new instance; a status of 400 or above fails" for path in rollout.acceptance_paths
        ]
        if rollout.acceptance_command:
            effects.append(f"run {' '.join(rollout.acceptance_command)!r:.300} for each new instance")
        return effects or ["the service file defines no acceptance test"]


def accept_instance(context: ServiceContext[Any], instance: Instance) -> None:
    """Run a service's acceptance test for one instance.

    Raises: UnavailableError with the instance's answer, or the last lines of the command's output.
    """
    rollout, base = context.settings.rollout, context.config.path(".")
    began = time.monotonic()
    deadline = began + rollout.acceptance_timeout_s
    env = context.settings.runtime.env

    def masked(text: str) -> str:
        return mask(text, env, base)

    try_paths(instance, rollout.acceptance_paths, deadline=deadline, masked=masked)
    if rollout.acceptance_command:
        try_command(instance, rollout.acceptance_command, deadline=deadline, folder=base, masked=masked)
    say_detail(f"{instance.revision} at {instance.address} passed in {time.monotonic() - began:.1f} s")


def try_paths(
    instance: Instance,
    paths: Sequence[str],
    *,
    deadline: float,
    masked: Callable[[str], str] = lambda text: text,
) -> None:
    """Request each path; each must be answered with a status below 400.

    deadline: in time.monotonic(), for all paths. masked: removes secrets from the answer.
    Raises: UnavailableError with the path and the answer.
    """
    for path in paths:
        left = deadline - time.monotonic()
        status, body = (
            (0, "no time left")
            if left <= 0
            else ask(instance.address, path, min(PATH_TIMEOUT_S, left), most=TAIL_BYTES)
        )
        if not 0 < status < FIRST_ERROR_STATUS:
            answer = f"{status} {plain(masked(body))[:OUTPUT_LIMIT]}".rstrip() if status else f"no answer ({body})"
            raise UnavailableError(f"{instance} failed its acceptance test at {path!r:.200}: {answer}")


def try_command(
    instance: Instance,
    command: Sequence[str],
    *,
    deadline: float,
    folder: Path,
    masked: Callable[[str], str] = lambda text: text,
) -> None:
    """Run a command in `folder`; it must exit with 0. masked: removes secrets from its output.

    Raises: UnavailableError with its exit status and the last lines of its output.
    """
    values = {"address": instance.address, "service": instance.service, "revision": instance.revision}
    argv = [_filled(word, {**values, "python": sys.executable}) for word in command]
    try:
        process = subprocess.Popen(
            argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise UnavailableError(
            f"cannot run the acceptance test {argv[0]!r:.200}: {error.strerror}: check acceptance_command"
        ) from error
    try:
        output, status = _follow(process, deadline)
    finally:
        _end(process)
    if status != 0:
        how = "did not finish in time" if status is None else f"exited with {status}"
        lines = plain(masked(output))[-OUTPUT_LIMIT:] or "no output"
        raise UnavailableError(f"{instance} failed its acceptance test: {argv[0]!r:.200} {how}: {lines}")


def _follow(process: subprocess.Popen[bytes], deadline: float) -> tuple[str, int | None]:
    """Return the end of the output, and the exit status; None when the deadline passed first.

    A child that the command left behind may keep writing: its output is read until the deadline at most.
    """
    output, tail, status = process.stdout.fileno(), b"", None  # type: ignore[union-attr] # it is a pipe
    while True:
        # after the exit only the output that is there: a child may keep the pipe open
        readable = select.select([output], [], [], 0 if status is not None else POLL_S)[0]
        piece = os.read(output, 65536) if readable else b""
        tail = (tail + piece)[-TAIL_BYTES:]
        if status is not None and not piece:
            return tail.decode("utf-8", "replace"), status
        if time.monotonic() > deadline:
            return tail.decode("utf-8", "replace"), status
        status = process.poll()
        if readable and not piece and status is None:
            time.sleep(POLL_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with everything that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _filled(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        word = word.replace("{" + name + "}", value)
    return word
