"""Counts of requests under fixed durations, in fields that other programs can sum: what a latency panel needs.

The packed histogram is a string, which Flux would have to take apart for each point. These fields are written in every point, zeros
too, so that a point which is written again replaces them all.
"""

from __future__ import annotations

DOUBLINGS = tuple(range(4, 12))
THRESHOLDS_MS = tuple(2**doubling for doubling in DOUBLINGS)
"""16 ms to 2 s."""
TIMED = "timed"
"""The field of requests with a duration."""
FIELDS = (*(f"under_{threshold}" for threshold in THRESHOLDS_MS), TIMED)
