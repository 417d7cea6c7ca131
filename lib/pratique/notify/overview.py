"""How each route is doing: for `pratique notify` and for `pratique status`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pratique.clock import iso, stamp, utc_now
from pratique.config import Config
from pratique.config.notify import NotifySettings
from pratique.errors import PratiqueError
from pratique.notify.courier import outbox_of
from pratique.notify.event import Event
from pratique.notify.outbox import RouteState
from pratique.notify.route import quiet_until
from pratique.notify.sender import SendResult, start_sending
from pratique.number_text import plural

TEST_KIND = "notify.test"


@dataclass(frozen=True)
class RouteOverview:
    """One route of the service file. state: None while nothing was ever sent to it."""

    settings: NotifySettings
    state: RouteState | None

    def to_text(self) -> str:
        """Return one line for a terminal."""
        wanted = self.settings
        parts = [f"{', '.join(wanted.events)}, from {wanted.least}"]
        if wanted.quiet:
            parts.append(f"quiet {wanted.quiet} {wanted.timezone}{' (now)' if quiet_until(wanted, utc_now()) else ''}")
        if self.state is None:
            return "; ".join([*parts, "nothing sent yet"])
        return "; ".join([*parts, *_condition(self.state)])

    def to_json(self) -> dict[str, Any]:
        """Return the overview as plain JSON values; times are ISO 8601, UTC."""
        state = self.state
        return {
            "route": self.settings.route,
            "to": self.settings.to,
            "events": list(self.settings.events),
            "least": self.settings.least,
            "quiet": self.settings.quiet,
            "timezone": self.settings.timezone,
            "waiting": state.waiting if state else 0,
            "oldest": stamp(state.oldest) if state and state.oldest else None,
            "sent": state.sent if state else 0,
            "given_up": state.given_up if state else 0,
            "last_sent": stamp(state.last_sent) if state and state.last_sent else None,
            "failing_since": stamp(state.failing_since) if state and state.failing_since else None,
            "failures": state.failures if state else 0,
            "reason": state.reason if state else "",
        }


def overview(config: Config) -> list[RouteOverview]:
    """Return how each route of the service file is doing. Raises: BusyError, DataError, DeniedError, StorageError."""
    states = {state.settings.route: state for state in outbox_of(config.state_dir).states()}
    return [RouteOverview(route, states.get(route.route)) for route in config.notify]


def use_routes(config: Config) -> None:
    """Give up what waits for routes that the service file has no longer. Raises: BusyError, DataError, DeniedError, StorageError."""
    outbox = outbox_of(config.state_dir)
    if outbox.path.exists():
        outbox.use(config.notify, utc_now())


def failing_routes(state_dir: Path) -> list[str]:
    """Return one sentence for each route that fails, or for an outbox that cannot be read."""
    try:
        states = outbox_of(state_dir).states()
    except PratiqueError as error:
        return [str(error)]
    return [f"{state.settings.route}: {'; '.join(_condition(state))}" for state in states if state.failing_since]


def test_routes(config: Config) -> Iterator[tuple[NotifySettings, SendResult]]:
    """Send a text to each route at once, and yield what happened, in their order."""
    now = utc_now()
    event = Event(
        TEST_KIND,
        "pratique",
        stamp(now),
        "low",
        "this is a test: notifications of Pratique arrive here",
        since=now,
        command=config.command("notify"),
    )
    sendings = [(route, start_sending(route.to, [event])) for route in config.notify]
    for route, sending in sendings:
        yield route, sending.result()


def _condition(state: RouteState) -> Iterator[str]:
    if state.failing_since is not None:
        since = f"{plural(state.failures, 'failure')} since {iso(state.failing_since)}"
        yield f"fails: {state.reason} ({since})"
    elif state.last_sent is not None:
        yield f"last sent {iso(state.last_sent)}"
    if state.waiting and state.oldest is not None:
        yield f"{plural(state.waiting, 'event')} waiting since {iso(state.oldest)}"
    if state.given_up:
        yield f"{plural(state.given_up, 'event')} given up"
