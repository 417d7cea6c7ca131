"""The tables of the outbox, and single changes of their rows within a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from pratique.clock import stamp
from pratique.config.notify import NotifySettings
from pratique.notify.event import Event
from pratique.notify.route import quiet_until

MOST_WAITING = 10_000
"""Events that wait for one route; further ones are given up at once, and counted."""
MOST_IN_MESSAGE = 2_000
APPLICATION = 0x50524F42

SCHEMA = """
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

OPEN = "CASE d.critical WHEN 1 THEN r.critical_from ELSE r.not_before END"
"""From when on a route takes a message."""
LONGEST_PAUSE = timedelta(hours=1)
"""Of a route between two messages: `group_s` and the back-offs are not longer."""
LONGEST_QUIET = timedelta(hours=26)
AHEAD = "(e.at > :now OR d.due > :quiet)"
"""Whether an event waits for a time that was written before the clock was set back."""


def keep_route(connection: sqlite3.Connection, route: NotifySettings) -> None:
    """Keep a route, or its changed settings."""
    connection.execute(
        "INSERT INTO routes (name, settings) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET settings = excluded.settings "
        "WHERE settings <> excluded.settings",
        [route.route, route.model_dump_json()],
    )


def kept_routes(connection: sqlite3.Connection) -> dict[str, NotifySettings]:
    """Return the routes by name, without those that cannot be read, as of another version."""
    found = {}
    for name, text in connection.execute("SELECT name, settings FROM routes ORDER BY name").fetchall():
        with suppress(ValueError):
            found[name] = NotifySettings.model_validate_json(text)
    return found


def keep_event(connection: sqlite3.Connection, event: Event, routes: Sequence[NotifySettings], now: datetime) -> bool:
    """Keep an event for some routes; return False when it was there before, or there is no route."""
    if not routes:
        return False
    at = text_of(now)
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
            [added.lastrowid, route.route, state, int(event.is_critical), text_of(quiet or now), ended],
        )
    return True


def notify_others(connection: sqlite3.Connection, name: str, event: Event, now: datetime) -> None:
    """Keep an event about a route for all others, whatever they want otherwise."""
    keep_event(connection, event, [route for other, route in kept_routes(connection).items() if other != name], now)


def failing(connection: sqlite3.Connection, name: str) -> tuple[str, int, str]:
    """Return since when a route fails, its failures in a row, and the last reason."""
    row = connection.execute("SELECT failing_since, failures, reason FROM routes WHERE name = ?", [name]).fetchone()
    return (str(row[0]), int(row[1]), str(row[2])) if row else ("", 0, "")


def ahead_of(now: datetime) -> dict[str, str]:
    """Return the values of `AHEAD`: times beyond them can only come from a clock that was ahead."""
    return {"now": text_of(now), "pause": text_of(now + LONGEST_PAUSE), "quiet": text_of(now + LONGEST_QUIET)}


def follow_clock(connection: sqlite3.Connection, now: datetime) -> None:
    """After the clock was set back, let nothing wait for a time that was written before."""
    values = ahead_of(now)
    connection.execute(
        "UPDATE deliveries SET due = :now WHERE state = 'waiting' AND due > :now AND event IN "  # noqa: S608 - constant text
        f"(SELECT d.event FROM deliveries AS d JOIN events AS e ON e.number = d.event WHERE d.state = 'waiting' AND {AHEAD})",
        values,
    )
    connection.execute("UPDATE events SET at = :now WHERE at > :now", values)
    connection.execute(
        "UPDATE routes SET not_before = min(not_before, :pause), critical_from = min(critical_from, :pause) "
        "WHERE not_before > :pause OR critical_from > :pause",
        values,
    )


def due_rows(connection: sqlite3.Connection, name: str, at: str) -> list[tuple[int, str, int, int]]:
    """Return the events that are due for a route: number, JSON, whether it may have come before, whether it is critical."""
    return connection.execute(
        "SELECT d.event, e.body, d.again, d.critical FROM deliveries AS d JOIN events AS e ON e.number = d.event "
        "WHERE d.route = ? AND d.state = 'waiting' AND d.due <= ? ORDER BY d.event LIMIT ?",
        [name, at, MOST_IN_MESSAGE],
    ).fetchall()


def delay(connection: sqlite3.Connection, name: str, at: str, until: datetime) -> None:
    """Put off all events of a route that are not critical."""
    connection.execute(
        "UPDATE deliveries SET due = ? WHERE route = ? AND state = 'waiting' AND NOT critical AND due <= ?",
        [text_of(until), name, at],
    )


def end(connection: sqlite3.Connection, name: str, numbers: Sequence[int], state: str, at: str) -> None:
    """Put events of a route into another state. at: when they ended, or an empty text."""
    connection.executemany(
        "UPDATE deliveries SET state = ?, ended = ? WHERE event = ? AND route = ?",
        [(state, at, number, name) for number in numbers],
    )


def text_of(moment: datetime) -> str:
    """Return a time as the tables hold it."""
    return stamp(moment.astimezone(UTC))


def later(now: datetime, seconds: float) -> str:
    """Return the time so many seconds later, as the tables hold it."""
    return text_of(now + timedelta(seconds=seconds))


def time_of(text: str | None) -> datetime | None:
    """Return the time of a text of the tables; None for an empty one."""
    return datetime.fromisoformat(text) if text else None
