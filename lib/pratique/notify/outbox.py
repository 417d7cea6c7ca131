"""The outbox: what waits for which route. It survives the death of every process that uses it.

A message is noted before it is sent and again after it. When the process that sends it dies in between, nobody knows
whether it arrived: it is sent once more, with a note, and not a third time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pratique.clock import stamp
from pratique.config.notify import NotifySettings
from pratique.notify.event import Event
from pratique.notify.route import quiet_until, wants
from pratique.state_database import StateDatabase

TRIED_FOR = timedelta(hours=24)
"""How long a message is tried, from its first attempt on."""
BACK_OFF_S = (5, 15, 30, 60, 120, 300, 600, 1800)
"""Delays after the first and each further failure of a route in a row; the last one repeats."""
REPORTED_AFTER = 3
"""Failures in a row after which the other routes are reported."""
CRITICAL_GROUP_S = 5.0
"""The least time between two messages of a route when something critical waits."""
MOST_WAITING = 10_000
"""Events that wait for one route; further ones are given up at once, and counted."""
MOST_IN_MESSAGE = 2_000
MOST_DEATHS = 2
KEPT_DAYS = 400
"""How long it is remembered that a state was reported."""
TEST = "pratique notify --test"
_APPLICATION = 0x50524F42

_SCHEMA = """
BEGIN;
CREATE TABLE events (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    at      TEXT NOT NULL,
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,
    key     TEXT NOT NULL,
    body    TEXT NOT NULL,
    UNIQUE (kind, subject, key)
) STRICT;
CREATE INDEX events_by_time ON events (at);
CREATE TABLE routes (
    name          TEXT PRIMARY KEY,
    settings      TEXT NOT NULL,
    not_before    TEXT NOT NULL DEFAULT '',
    critical_from TEXT NOT NULL DEFAULT '',
    last_sent     TEXT NOT NULL DEFAULT '',
    failing_since TEXT NOT NULL DEFAULT '',
    failures      INTEGER NOT NULL DEFAULT 0,
    reason        TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE deliveries (
    event     INTEGER NOT NULL REFERENCES events (number) ON DELETE CASCADE,
    route     TEXT NOT NULL,
    state     TEXT NOT NULL DEFAULT 'waiting',
    critical  INTEGER NOT NULL,
    due       TEXT NOT NULL,
    first_try TEXT NOT NULL DEFAULT '',
    again     INTEGER NOT NULL DEFAULT 0,
    deaths    INTEGER NOT NULL DEFAULT 0,
    ended     TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (event, route)
) STRICT;
CREATE INDEX deliveries_by_state ON deliveries (state, route, due);
COMMIT;
"""


_OPEN = "CASE d.critical WHEN 1 THEN r.critical_from ELSE r.not_before END"
"""From when on a route takes a message."""


@dataclass(frozen=True)
class Batch:
    """What goes to one route in one message. again: whether the receiver may have got some of it before."""

    route: NotifySettings
    numbers: tuple[int, ...]
    events: tuple[Event, ...]
    again: bool


@dataclass(frozen=True)
class RouteState:
    """How a route is doing. waiting: events; oldest: of them. given_up: events that were never delivered, since `sent` is known."""

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
        self._database = StateDatabase(path, "notifications", _SCHEMA, _APPLICATION, busy_s=busy_s)

    def put(self, event: Event, routes: Sequence[NotifySettings], now: datetime) -> bool:
        """Keep an event for the routes that want it; return False when it was there before or none wants it.

        Raises: BusyError, DataError, DeniedError, StorageError, as do all methods.
        """
        with self._database.changing() as connection:
            for route in routes:
                _keep_route(connection, route)
            return _put(connection, event, [route for route in routes if wants(route, event)], now)

    def use(self, routes: Sequence[NotifySettings], now: datetime) -> None:
        """Take these routes for the only ones from now on; what waits for others is given up."""
        names = [route.route for route in routes]
        marks = ", ".join("?" * len(names))
        with self._database.changing() as connection:
            for route in routes:
                _keep_route(connection, route)
            connection.execute(f"DELETE FROM routes WHERE name NOT IN ({marks})", names)  # noqa: S608 - marks only
            connection.execute(
                f"UPDATE deliveries SET state = 'given up', ended = ? WHERE state = 'waiting' AND route NOT IN ({marks})",  # noqa: S608
                [_stamp(now), *names],
            )

    def next_due(self) -> datetime | None:
        """Return when something can be sent next; None when nothing waits. What a dead process left counts from its start."""
        if not self.path.exists():
            return None
        with self._database.connected() as connection:
            found = connection.execute(
                f"SELECT min(max(d.due, {_OPEN})) FROM deliveries AS d JOIN routes AS r ON r.name = d.route "  # noqa: S608 - constant text
                "WHERE d.state IN ('waiting', 'sending')"
            ).fetchone()[0]
        return _time(found)

    def recover(self, now: datetime) -> None:
        """Let what a dead process was sending be sent again, once. Only for the process that alone sends."""
        with self._database.changing() as connection:
            connection.execute("UPDATE deliveries SET deaths = deaths + 1, again = 1 WHERE state = 'sending'")
            connection.execute(
                "UPDATE deliveries SET state = CASE WHEN deaths < ? THEN 'waiting' ELSE 'given up' END, ended = ? "
                "WHERE state = 'sending'",
                [MOST_DEATHS, _stamp(now)],
            )

    def take(self, now: datetime) -> list[Batch]:
        """Return what can be sent now, at most one batch for a route, noted as being sent."""
        at = _stamp(now)
        batches = []
        with self._database.changing() as connection:
            for name, text, not_before, critical_from in connection.execute(
                "SELECT name, settings, not_before, critical_from FROM routes"
            ).fetchall():
                route = NotifySettings.model_validate_json(text)
                quiet = quiet_until(route, now)
                if quiet is not None:
                    _delay(connection, name, at, quiet)
                due = _due(connection, name, at)
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
        name, at = batch.route.route, _stamp(now)
        with self._database.changing() as connection:
            _end(connection, batch, "sent", at)
            since, failures, reason = _failing(connection, name)
            connection.execute(
                "UPDATE routes SET last_sent = ?, not_before = ?, critical_from = ?, failing_since = '', failures = 0, reason = '' "
                "WHERE name = ?",
                [at, _later(now, batch.route.group_s), _later(now, min(batch.route.group_s, CRITICAL_GROUP_S)), name],
            )
            if failures >= REPORTED_AFTER:
                what = f"notifications to {name!r} arrive again; before: {reason}"
                _notify_others(connection, name, Event("notify.recovered", name, since, "low", what).safe(), now)
            connection.execute(
                "DELETE FROM events WHERE number IN (SELECT number FROM events WHERE at < ? LIMIT 100)",
                [_stamp(now - timedelta(days=KEPT_DAYS))],
            )

    def failed(self, batch: Batch, reason: str, now: datetime, *, unknown: bool) -> int:
        """Note that a batch did not arrive; return how many of its events are given up.

        unknown: it may have arrived in spite of that.
        """
        name, at = batch.route.route, _stamp(now)
        with self._database.changing() as connection:
            since, failures, _ = _failing(connection, name)
            retry = _later(now, BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
            connection.execute(
                "UPDATE routes SET failures = ?, failing_since = ?, reason = ?, not_before = ?, critical_from = ? WHERE name = ?",
                [failures + 1, since or at, reason, retry, retry, name],
            )
            _end(connection, batch, "waiting", "")
            connection.executemany(
                "UPDATE deliveries SET again = max(again, ?) WHERE event = ? AND route = ?",
                [(int(unknown), number, name) for number in batch.numbers],
            )
            given_up = connection.execute(
                "UPDATE deliveries SET state = 'given up', ended = ? WHERE route = ? AND state = 'waiting' "
                "AND first_try BETWEEN '0' AND ?",
                [at, name, _stamp(now - TRIED_FOR)],
            ).rowcount
            if failures + 1 == REPORTED_AFTER:
                what = f"notifications to {name!r} fail: {reason}"
                event = Event("notify.failing", name, since or at, "high", what, since=_time(since or at), command=TEST)
                _notify_others(connection, name, event.safe(), now)
        return given_up

    def states(self) -> list[RouteState]:
        """Return how each route is doing."""
        if not self.path.exists():
            return []
        with self._database.connected() as connection:
            rows = connection.execute(
                "SELECT r.settings, "
                "(SELECT count(*) FROM deliveries WHERE route = r.name AND state IN ('waiting', 'sending')), "
                "(SELECT min(e.at) FROM deliveries AS d JOIN events AS e ON e.number = d.event "
                " WHERE d.route = r.name AND d.state IN ('waiting', 'sending')), "
                "(SELECT count(*) FROM deliveries WHERE route = r.name AND state = 'sent'), "
                "(SELECT count(*) FROM deliveries WHERE route = r.name AND state = 'given up'), "
                "r.last_sent, r.failing_since, r.failures, r.reason FROM routes AS r ORDER BY r.name"
            ).fetchall()
        return [
            RouteState(
                NotifySettings.model_validate_json(text),
                waiting,
                _time(oldest),
                sent,
                given_up,
                _time(last),
                _time(since),
                failures,
                reason,
            )
            for text, waiting, oldest, sent, given_up, last, since, failures, reason in rows
        ]


def _keep_route(connection: sqlite3.Connection, route: NotifySettings) -> None:
    connection.execute(
        "INSERT INTO routes (name, settings) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET settings = excluded.settings "
        "WHERE settings <> excluded.settings",
        [route.route, route.model_dump_json()],
    )


def _put(connection: sqlite3.Connection, event: Event, routes: Sequence[NotifySettings], now: datetime) -> bool:
    if not routes:
        return False
    at = _stamp(now)
    added = connection.execute(
        "INSERT INTO events (at, kind, subject, key, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [at, event.kind, event.subject, event.key, event.to_json()],
    )
    if added.rowcount != 1:
        return False
    for route in routes:
        quiet = None if event.is_critical else quiet_until(route, now)
        waiting = connection.execute(
            "SELECT count(*) FROM deliveries WHERE route = ? AND state = 'waiting'", [route.route]
        ).fetchone()[0]
        state, ended = ("waiting", "") if waiting < MOST_WAITING else ("given up", at)
        connection.execute(
            "INSERT INTO deliveries (event, route, state, critical, due, ended) VALUES (?, ?, ?, ?, ?, ?)",
            [added.lastrowid, route.route, state, int(event.is_critical), _stamp(quiet or now), ended],
        )
    return True


def _notify_others(connection: sqlite3.Connection, name: str, event: Event, now: datetime) -> None:
    """Keep an event about a route for all others, whatever they want otherwise."""
    rows = connection.execute("SELECT settings FROM routes WHERE name <> ?", [name]).fetchall()
    _put(connection, event, [NotifySettings.model_validate_json(text) for (text,) in rows], now)


def _failing(connection: sqlite3.Connection, name: str) -> tuple[str, int, str]:
    row = connection.execute("SELECT failing_since, failures, reason FROM routes WHERE name = ?", [name]).fetchone()
    return (str(row[0]), int(row[1]), str(row[2])) if row else ("", 0, "")


def _due(connection: sqlite3.Connection, name: str, at: str) -> list[tuple[int, str, int, int]]:
    return connection.execute(
        "SELECT d.event, e.body, d.again, d.critical FROM deliveries AS d JOIN events AS e ON e.number = d.event "
        "WHERE d.route = ? AND d.state = 'waiting' AND d.due <= ? ORDER BY d.event LIMIT ?",
        [name, at, MOST_IN_MESSAGE],
    ).fetchall()


def _delay(connection: sqlite3.Connection, name: str, at: str, until: datetime) -> None:
    connection.execute(
        "UPDATE deliveries SET due = ? WHERE route = ? AND state = 'waiting' AND NOT critical AND due <= ?",
        [_stamp(until), name, at],
    )


def _batch(route: NotifySettings, due: Sequence[tuple[int, str, int, int]]) -> Batch:
    events = tuple(Event.from_json(body) for _, body, *_ in due)
    return Batch(route, tuple(number for number, *_ in due), events, any(again for *_, again, _ in due))


def _end(connection: sqlite3.Connection, batch: Batch, state: str, at: str) -> None:
    connection.executemany(
        "UPDATE deliveries SET state = ?, ended = ? WHERE event = ? AND route = ?",
        [(state, at, number, batch.route.route) for number in batch.numbers],
    )


def _stamp(moment: datetime) -> str:
    return stamp(moment.astimezone(UTC))


def _later(now: datetime, seconds: float) -> str:
    return _stamp(now + timedelta(seconds=seconds))


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
