"""When late lines of a window are written: at ages of 1, 3, 7, 15, 31 … s.

A window that is written again is written with all its rows, and a store may keep each of these copies. With late lines all the time, as
slow requests give them, a window is written seven times within a minute, and a line waits no longer than about its own age.
"""

from __future__ import annotations

LATE_MS = 1000
"""Least age of a window at which its late lines are written."""


def next_write_ms(age_ms: int) -> int:
    """Return the age at which a window is written next. age_ms: since it was closed."""
    return LATE_MS * ((1 << (max(age_ms, 0) // LATE_MS + 1).bit_length()) - 1)
