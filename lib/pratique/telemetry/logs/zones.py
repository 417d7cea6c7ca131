"""The zone of a local time in one line, by the header in front of it; `times.by_header` does the same for a column."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pratique.errors import UsageError

QUARTER_MS = 900_000
"""Zones differ by whole quarters of an hour."""
NEAR_MS = QUARTER_MS // 2


def check_zone(name: str) -> None:
    """Raise UsageError for the name of an unknown zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"timezone {name!r} is unknown: write it like Europe/Vienna") from None


def header_instant(text: str) -> tuple[int, int] | None:
    """Return the instant of an ISO time with a zone, and its offset, both in ms; None for any other text."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    offset = time.utcoffset()
    return None if offset is None else (round(time.timestamp() * 1000), round(offset.total_seconds() * 1000))


def instant_by_header(local_ms: int, took_ms: int, header: tuple[int, int] | None, zone: ZoneInfo) -> int:
    """Return the instant of a local time. header: of header_instant. zone: used without one.

    The header was written when the request had ended. If the time in the header's own zone fits, that is the zone; else
    the configured one if that fits; else the distance to the header, in whole quarters of an hour, is the zone.
    """
    configured = _in_zone(local_ms, zone)
    if header is None:
        return configured
    header_ms, offset_ms = header
    for found in (local_ms - offset_ms, configured):
        if abs(found + took_ms - header_ms) < NEAR_MS:
            return found
    return local_ms - (local_ms + took_ms - header_ms + NEAR_MS) // QUARTER_MS * QUARTER_MS


def _in_zone(local_ms: int, zone: ZoneInfo) -> int:
    time = datetime.fromtimestamp(local_ms // 1000, UTC).replace(tzinfo=zone)
    return round(time.timestamp()) * 1000 + local_ms % 1000
