"""The outbox: what waits for which route. It survives the death of every process that uses it.

A message is noted before it is sent and again after it. When the process that sends it dies in between, nobody knows
whether it arrived: it is sent once more, with a note, and not a third time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pratique.config.notify import NotifySettings
from pratique.notify.event import Event
from pratique.notify.outbox_rows import (
    AHEAD,
    APPLICATION,
    OPEN,
    SCHEMA,
    ahead_of,
    delay,
    due_rows,
    end,
    failing,
    follow_clock,
    keep_event,
    keep_route,
    kept_routes,
    later,
    notify_others,
    text_of,
    time_of,
)
from pratique.notify.route import quiet_until, wants
from pratique.state_database import StateDatabase

TRIED_FOR = timedelta(hours=24)
"""How long a message is tried, from its first attempt on."""
BACK_OFF_S = (5, 15, 30, 60, 120, 300, 600, 1800)
"""Delays after the first and each further failure of a route in a row; the last one repeats."""
REPORTED_AFTER = 3
"""Failures in a row after which the other routes hear of it."""
CRITICAL_GROUP_S = 5.0
"""The least time between two messages of a route when something critical waits."""
MOST_DEATHS = 2
KEPT_DAYS = 400
"""How long it is remembered that a state was reported."""
TEST = "pratique notify --test"


@dataclass(frozen=True)
class Batch:
    """What goes to one route in one message. again: whether the receiver may have got some of it before."""

    route: NotifySettings
    numbers: tuple[int, ...]
    events: tuple[Event, ...]
    again: bool


@dataclass(frozen=True)
class RouteState:
    """How a route is doing.

    waiting, sent, given_up: numbers of events. oldest: when the first of those that wait happened. failures: in a row, for `reason`.
    """

    settings: NotifySettings
    waiting: int
    oldest: datetime | None
    sent: int
    given_up: int
    last_sent: datetime | None
    failing_since: datetime | None
    failures: int
    reason: str


class Outbox:
    """The file. Each method is one transaction. Usable from any thread and process."""

    def __init__(self, path: Path, *, busy_s: float = 60.0) -> None:
        """busy_s: how long to wait for other processes."""
        self.path = path
        self._database = StateDatabase(path, "notifications", SCHEMA, APPLICATION, busy_s=busy_s)

    def put(self, event: Event, routes: Sequence[NotifySettings], now: datetime) -> bool:
        """Keep an event for the routes that want it; return False when it was there before or none wants it.

        Raises: BusyError, DataError, DeniedError, StorageError, as do all methods.
        """
        with self._database.changing() as connection:
            for route in routes:
                keep_route(connection, route)
            return keep_event(connection, event, [route for route in routes if wants(route, event)], now)

    def use(self, routes: Sequence[NotifySettings], now: datetime) -> None:
        """Take these routes for the only ones from now on; what waits for others is given up."""
        names = [route.route for route in routes]
        marks = ", ".join("?" * len(names))
        with self._database.changing() as connection:
            for route in routes:
                keep_route(connection, route)
            connection.execute(f"DELETE FROM routes WHERE name NOT IN ({marks})", names)  # noqa: S608 - marks only
            connection.execute(
                f"UPDATE deliveries SET state = 'given up', ended = ? WHERE state = 'waiting' AND route NOT IN ({marks})",  # noqa: S608
                [text_of(now), *names],
            )

    def next_due(self, now: datetime) -> datetime | None:
        """Return when something can be sent next; None when nothing waits. What a dead process left counts from its start."""
        if not self.path.exists():
            return None
        with self._database.connected() as connection:
            found = connection.execute(
                f"SELECT min(CASE WHEN {AHEAD} THEN :now ELSE max(d.due, min({OPEN}, :pause)) END) FROM deliveries AS d "  # noqa: S608 - constant text
                "JOIN routes AS r ON r.name = d.route JOIN events AS e ON e.number = d.event WHERE d.state IN ('waiting', 'sending')",
                ahead_of(now),
            ).fetchone()[0]
        return time_of(found)

    def recover(self, now: datetime) -> None:
        """Let what a dead process was sending be sent again, once. Only for the process that alone sends."""
        with self._database.changing() as connection:
            connection.execute("UPDATE deliveries SET deaths = deaths + 1, again = 1 WHERE state = 'sending'")
            connection.execute(
                "UPDATE deliveries SET state = CASE WHEN deaths < ? THEN 'waiting' ELSE 'given up' END, ended = ? "
                "WHERE state = 'sending'",
                [MOST_DEATHS, text_of(now)],
            )

    def take(self, now: datetime) -> list[Batch]:
        """Return what can be sent now, at most one batch for a route, noted as being sent."""
        at = text_of(now)
        batches = []
        with self._database.changing() as connection:
            follow_clock(connection, now)
            routes = kept_routes(connection)
            for name, not_before, critical_from in connection.execute(
                "SELECT name, not_before, critical_from FROM routes"
            ).fetchall():
                route = routes.get(name)
                if route is None:
                    # whoever knows it keeps it again; its events wait until then
                    connection.execute("DELETE FROM routes WHERE name = ?", [name])
                    continue
                quiet = quiet_until(route, now)
                if quiet is not None:
                    delay(connection, name, at, quiet)
                due = due_rows(connection, name, at)
                open_from = critical_from if any(critical for *_, critical in due) else not_before
                if not due or open_from > at:
                    continue
                batches.append(_batch(route, due))
                connection.executemany(
                    "UPDATE deliveries SET state = 'sending', first_try = CASE first_try WHEN '' THEN ? ELSE first_try END "
                    "WHERE event = ? AND route = ?",
                    [(at, number, name) for number, *_ in due],
                )
        return batches

    def delivered(self, batch: Batch, now: datetime) -> None:
        """Note that a batch arrived. A route that had failed, and was reported, is reported as well to the other routes."""
        name, at = batch.route.route, text_of(now)
        with self._database.changing() as connection:
            end(connection, name, batch.numbers, "sent", at)
            since, failures, reason = failing(connection, name)
            connection.execute(
                "UPDATE routes SET last_sent = ?, not_before = ?, critical_from = ?, failing_since = '', failures = 0, reason = '' "
                "WHERE name = ?",
                [at, later(now, batch.route.group_s), later(now, min(batch.route.group_s, CRITICAL_GROUP_S)), name],
            )
            if failures >= REPORTED_AFTER:
                what = f"notifications to {name!r} arrive again; before: {reason}"
                notify_others(connection, name, Event("notify.recovered", name, since, "low", what).safe(), now)
            connection.execute(
                "DELETE FROM events WHERE number IN (SELECT number FROM events WHERE at < ? AND NOT EXISTS "
                "(SELECT 1 FROM deliveries WHERE event = number AND state IN ('waiting', 'sending')) LIMIT 100)",
                [text_of(now - timedelta(days=KEPT_DAYS))],
            )

    def failed(self, batch: Batch, reason: str, now: datetime, *, unknown: bool) -> int:
        """Note that a batch did not arrive; return how many of its events are given up.

        unknown: it may have arrived in spite of that.
        """
        name, at = batch.route.route, text_of(now)
        with self._database.changing() as connection:
            since, failures, _ = failing(connection, name)
            retry = later(now, BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
            connection.execute(
                "UPDATE routes SET failures = ?, failing_since = ?, reason = ?, not_before = ?, critical_from = ? WHERE name = ?",
                [failures + 1, since or at, reason, retry, retry, name],
            )
            end(connection, name, batch.numbers, "waiting", "")
            connection.executemany(
                "UPDATE deliveries SET again = max(again, ?) WHERE event = ? AND route = ?",
                [(int(unknown), number, name) for number in batch.numbers],
            )
            given_up = connection.execute(
                "UPDATE deliveries SET state = 'given up', ended = ? WHERE route = ? AND state = 'waiting' "
                "AND first_try BETWEEN '0' AND ?",
                [at, name, text_of(now - TRIED_FOR)],
            ).rowcount
            if failures + 1 == REPORTED_AFTER:
                what = f"notifications to {name!r} fail: {reason}"
                event = Event(
                    "notify.failing", name, since or at, "high", what, since=time_of(since or at), command=TEST
                )
                notify_others(connection, name, event.safe(), now)
        return given_up

    def states(self) -> list[RouteState]:
        """Return how each route is doing."""
        if not self.path.exists():
            return []
        with self._database.connected() as connection:
            routes = kept_routes(connection)
            rows = connection.execute(
                "SELECT r.name, "
                "(SELECT count(*) FROM deliveries WHERE route = r.name AND state IN ('waiting', 'sending')), "
                "(SELECT min(e.at) FROM deliveries AS d JOIN events AS e ON e.number = d.event "
                " WHERE d.route = r.name AND d.state IN ('waiting', 'sending')), "
                "(SELECT count(*) FROM deliveries WHERE route = r.name AND state = 'sent'), "
                "(SELECT count(*) FROM deliveries WHERE route = r.name AND state = 'given up'), "
                "r.last_sent, r.failing_since, r.failures, r.reason FROM routes AS r ORDER BY r.name"
            ).fetchall()
        return [
            RouteState(
                routes[name],
                waiting,
                time_of(oldest),
                sent,
                given_up,
                time_of(last),
                time_of(since),
                failures,
                reason,
            )
            for name, waiting, oldest, sent, given_up, last, since, failures, reason in rows
            if name in routes
        ]


def _batch(route: NotifySettings, due: Sequence[tuple[int, str, int, int]]) -> Batch:
    events = tuple(Event.from_json(body) for _, body, *_ in due)
    return Batch(route, tuple(number for number, *_ in due), events, any(again for *_, again, _ in due))
