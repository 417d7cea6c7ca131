"""What a field of a log line means, and which field wins where one meaning stands in a line twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MEANINGS = {
    "time": "time",
    "time_fraction": "fraction of the time",
    "request": "request line",
    "method": "method",
    "path": "path",
    "status": "status",
    "state": "termination state",
    "duration": "duration",
    "duration_part": "duration",
    "t_request": "time of the request",
    "t_response": "time of the response",
    "t_total": "duration",
    "retries": "failed attempts",
    "attempts": "failed attempts",
    "host": "host",
    "revision": "revision",
    "service": "service",
    "action": "action",
    "n": "number of requests",
    "duration_sum": "sum of durations",
    "bucket": "latency buckets",
    "count": "latency counts",
}
"""Every meaning, with the word for a person."""
UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
IN_TEXT = "in_text"
"""The unit of durations that tell their own, each of them; a number without one is then no duration, but for 0."""
UNIT_WORDS = {**UNITS, IN_TEXT: "with its unit"}
"""The unit of a duration for a person."""
MS_IN = {"s": 1000.0, "ms": 1.0, "us": 0.001, "ns": 0.000001}
"""Milliseconds in one unit."""
OVERRIDE = 9
"""Rank of a field that a person named."""


@dataclass(frozen=True)
class Field:
    """One field of a line.

    name: what --revision-from calls it. source: as the format writes it. meaning: key of MEANINGS, or "" for none.
    rank: of two fields with one meaning, the higher one is used; of equals, the first.
    kind: of a time, its form (see `times`); of a duration, its unit, a key of UNITS or IN_TEXT. assumed: why the unit is not
        certain; "" when it is. aliases: other names for --revision-from. upstreams: the value may be nginx's list.
    pattern: expression whose first group is the value; "" for the whole text.
    """

    name: str
    source: str
    meaning: str = ""
    rank: int = 1
    kind: str = ""
    assumed: str = ""
    aliases: tuple[str, ...] = ()
    upstreams: bool = False
    pattern: str = ""

    def answers_to(self, name: str) -> bool:
        """Whether a name that a person gives means this field."""
        return name.lower() in {self.name.lower(), self.source.lower(), *(alias.lower() for alias in self.aliases)}


def best(fields: Iterable[Field], meaning: str) -> Field | None:
    """Return the field that tells a meaning, None when there is none."""
    return max((field for field in fields if field.meaning == meaning), key=lambda field: field.rank, default=None)


def several(fields: Iterable[Field], meaning: str) -> list[Field]:
    """Return all fields that tell a part of a meaning, in the order of the line, those of the highest rank."""
    found = [field for field in fields if field.meaning == meaning]
    return [field for field in found if field.rank == max(other.rank for other in found)]
