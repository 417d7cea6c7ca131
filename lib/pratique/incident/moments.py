"""Points in time as other programs write them."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any

from pratique.clock import EPOCH, LATEST, from_ms, utc_of

_MILLISECONDS_FROM = 1e11
"""Numbers from here on are times in milliseconds: in seconds it would be the year 5138."""
_ZONE = re.compile(r" ?(?:UTC|GMT)$| (?=[+-]\d\d:?\d\d$)")


def moment_of(value: Any) -> datetime:
    """Return a time, UTC: ISO 8601, UTC without a zone, or seconds or milliseconds since 1970. Raises: ValueError."""
    try:
        if isinstance(value, str):
            moment = utc_of(_ZONE.sub("", value.strip()))
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            moment = from_ms(value if value >= _MILLISECONDS_FROM else value * 1000)
        else:
            raise ValueError("neither text nor a number")  # noqa: TRY301 - one error for all
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError("write ISO 8601, such as 2026-11-20T14:00:00Z") from error
    if not EPOCH < moment < LATEST:
        raise ValueError("it is before 1970, or after 9998")
    return moment
