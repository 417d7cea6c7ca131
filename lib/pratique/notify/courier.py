"""The process that sends what waits: one at a time for a state folder, started by whoever has something to tell.

It ends when nothing is due soon. The collector and each further event start it again, so that back-off goes on for a day
without a process that waits all that time.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from pratique.clock import utc_now
from pratique.errors import PratiqueError
from pratique.files import open_private
from pratique.isolated import isolated_command
from pratique.notify.outbox import Batch, Outbox
from pratique.notify.sender import Sending, SendResult, start_sending
from pratique.outcomes import OutcomeRecord, open_outcomes

LINGER_S = 60.0
"""How long it waits for the next message: longer than the usual time between two, and than the first back-offs."""
LONGEST_LIFE_S = 600.0
_started: list[subprocess.Popen[bytes]] = []


def outbox_of(state_dir: Path, *, busy_s: float = 60.0) -> Outbox:
    """Return the outbox of a state folder."""
    return Outbox(state_dir / "notifications.sqlite", busy_s=busy_s)


def start_courier(state_dir: Path) -> bool:
    """Start the process that sends, unless one runs; return whether it was started. Raises: OSError."""
    _started[:] = [process for process in _started if process.poll() is None]
    with open_private(_lock_path(state_dir), "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        with open_private(state_dir / "processes" / "notify.log", "ab") as output:
            # the lock goes along with the open file: at no moment two of them run
            process = subprocess.Popen(
                isolated_command("pratique.notify.courier", str(state_dir), str(lock.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
    _started.append(process)
    return True


def deliver_due(state_dir: Path, now: Callable[[], datetime] = utc_now) -> int:
    """Send everything that is due, to all routes at once; return how many messages were tried. Raises: PratiqueError."""
    outbox = outbox_of(state_dir)
    batches = outbox.take(now())
    begun = [(batch, time.monotonic(), _begin(batch)) for batch in batches]
    for batch, started, sending in begun:
        result = sending if isinstance(sending, SendResult) else sending.result()
        _note(state_dir, outbox, batch, result, round((time.monotonic() - started) * 1000), now())
    return len(batches)


def _begin(batch: Batch) -> Sending | SendResult:
    """Start to send a batch; return the failure when no process can be started, since nothing was sent then."""
    try:
        return start_sending(batch.route.to, batch.events, again=batch.again)
    except OSError as error:
        return SendResult(False, f"no process can be started: {error.strerror}")


def run_courier(state_dir: Path, lock: int) -> None:
    """Send until nothing is due soon. lock: the descriptor of the locked file."""
    outbox, end = outbox_of(state_dir), time.monotonic() + LONGEST_LIFE_S
    while True:
        outbox.recover(utc_now())
        while time.monotonic() < end and (wait := _seconds_until(outbox.next_due(utc_now()))) <= LINGER_S:
            time.sleep(min(max(wait, 0.0), 1.0))
            if wait <= 0:
                deliver_due(state_dir)
        fcntl.flock(lock, fcntl.LOCK_UN)
        # something may have come after the last look, from a process that saw the lock
        if time.monotonic() >= end or _seconds_until(outbox.next_due(utc_now())) > LINGER_S:
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return


def _note(state_dir: Path, outbox: Outbox, batch: Batch, result: SendResult, duration_ms: int, now: datetime) -> None:
    given_up = 0
    if result.ok:
        outbox.delivered(batch, now)
    else:
        given_up = outbox.failed(batch, result.reason, now, unknown=result.unknown)
        print(f"{now:%Y-%m-%d %H:%M:%SZ} {batch.route.route}: {result.reason}", flush=True)  # noqa: T201 - to its log
    if result.ok or given_up:
        number = len(batch.numbers) if result.ok else given_up
        record = OutcomeRecord(
            at=now,
            kind="notification",
            subject=f"notify@{batch.route.route}",
            key=f"{batch.numbers[0]}-{batch.numbers[-1]}",
            outcome="ok" if result.ok else "failed",
            duration_ms=duration_ms,
            details={"events": number, "reason": result.reason},
        )
        with suppress(PratiqueError):
            open_outcomes(state_dir).add(record)


def _seconds_until(due: datetime | None) -> float:
    return float("inf") if due is None else (due - utc_now()) / timedelta(seconds=1)


def _lock_path(state_dir: Path) -> Path:
    return state_dir / "processes" / "notify.lock"


def main() -> None:
    """Send for the state folder that the arguments name."""
    state_dir, lock = Path(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(lock, False)
    try:
        run_courier(state_dir, lock)
    except PratiqueError as error:
        print(f"pratique: {error}", file=sys.stderr, flush=True)  # noqa: T201
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
