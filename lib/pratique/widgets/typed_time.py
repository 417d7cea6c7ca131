"""Times as a person reads and types them in a control: UTC, without a zone."""

from __future__ import annotations

from datetime import datetime

from pratique.errors import UsageError
from pratique.report.given import given_time


def time_text(time: datetime) -> str:
    """Return a time as short as it is exact: 2026-11-20T14:00, with seconds only where there are some."""
    return f"{time:%Y-%m-%dT%H:%M:%S}".removesuffix(":00")


def typed_time(name: str, text: str) -> datetime:
    """Return a time that a person typed, UTC without a zone. name: of the control. Raises: UsageError."""
    found = given_time(name, text.strip())
    if found is None:
        raise UsageError(f"{name} is empty: write a time as 2026-11-20T14:00 (UTC)")
    return found
