"""Tell people what happened: an event is kept in the outbox, and a separate process sends it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pratique.clock import utc_now
from pratique.config import Config
from pratique.config.notify import NotifySettings
from pratique.notify.event import Event

BUSY_S = 1.0
"""The longest time for which telling delays the work that has something to tell."""


def notify(config_or_routes: Config | Sequence[NotifySettings], state_dir: Path, event: Event) -> None:
    """Keep an event for the routes that want it, and start to send it. It returns soon and raises nothing.

    The same kind, subject and key is reported once. What cannot be kept is said on standard error.
    """
    routes = config_or_routes.notify if isinstance(config_or_routes, Config) else config_or_routes
    if not routes:
        return
    try:
        from pratique.notify.courier import outbox_of, start_courier  # noqa: PLC0415 - sqlite

        if outbox_of(state_dir, busy_s=BUSY_S).put(event.safe(), routes, utc_now()):
            start_courier(state_dir)
    except Exception as error:  # noqa: BLE001 - a release goes on without it
        kind = str(event.kind)[:80]
        print(f"pratique: {kind} reaches nobody: {' '.join(str(error).split())[:300]}", file=sys.stderr)  # noqa: T201


def send_waiting(state_dir: Path) -> None:
    """Start to send what waits and is due, such as after a failure. It returns soon and raises nothing."""
    try:
        from pratique.notify.courier import outbox_of, start_courier  # noqa: PLC0415 - sqlite

        now = utc_now()
        due = outbox_of(state_dir, busy_s=BUSY_S).next_due(now)
        if due is not None and due <= now:
            start_courier(state_dir)
    except Exception as error:  # noqa: BLE001 - the caller has other work
        print(f"pratique: notifications are not sent: {' '.join(str(error).split())[:300]}", file=sys.stderr)  # noqa: T201
