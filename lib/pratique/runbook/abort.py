"""Stop a run from another process: its changes are undone, and who stopped it is recorded."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from pratique.errors import DeniedError, UnavailableError, UsageError
from pratique.ledger import current_user
from pratique.runbook.engine.stop_request import request_stop
from pratique.runbook.recovery import finish_dead_run
from pratique.runbook.runs import RunSummary, find_run
from pratique.subject_lock import Holder, Lock

LOOK_EVERY_S = 0.2


def abort_run(
    state_dir: Path,
    run_id: str,
    *,
    who: str = "",
    why: str = "",
    wait_s: float = 300.0,
    say: Callable[[str], object] = print,
) -> RunSummary:
    """Stop a run and wait until its changes are undone; a dead run is undone by this process.

    who: recorded in the ledger; "" means the login name. wait_s: how long to wait for a process that undoes.
    say: called with each line of progress. Returns: the run after its end.
    Raises: MissingError and UsageError (no such run, already ended), DeniedError (another user's process),
    UnavailableError (another host's process, or it did not end in time).
    """
    run, who = find_run(state_dir, run_id), who or current_user()
    if run.state == "ended":
        raise UsageError(f"run {run_id!r} has already ended ({run.outcome}): there is nothing to stop")
    if run.holder is None:
        say(f"the process of run {run_id!r} is dead: undoing its changes")
        finish_dead_run(run.folder, f"stopped by {who}" + (f" ({why})" if why else ""))
        return find_run(state_dir, run_id)
    _stop(run, run.holder, who, why)
    say(f"asked process {run.holder.pid} to stop; waiting until it has undone its changes")
    lock, deadline = Lock(state_dir, run.subject), time.monotonic() + wait_s
    while (holder := lock.holder()) is not None and holder.run == run_id:
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"run {run_id!r} has not ended after {wait_s:.0f} s: look at {run.folder}, or end process {holder.pid} "
                f"and run this command again"
            )
        time.sleep(LOOK_EVERY_S)
    return find_run(state_dir, run_id)


def _stop(run: RunSummary, holder: Holder, who: str, why: str) -> None:
    if holder.host != socket.gethostname():
        raise UnavailableError(f"run {run.id!r} runs on {holder.host}: run this command there")
    try:
        request_stop(run.folder, who=who, why=why, pid=holder.pid)
        os.kill(holder.pid, signal.SIGTERM)
    except PermissionError as error:
        raise DeniedError(
            f"run {run.id!r} belongs to {holder.who} (process {holder.pid}): stop it as that user"
        ) from error
    except ProcessLookupError:
        return
