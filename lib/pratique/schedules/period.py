"""How often something runs, as cron and systemd write it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from zlib import crc32

from pratique.errors import UsageError

HOUR, DAY, WEEK = 60, 24 * 60, 7 * 24 * 60
_UNITS = {"m": 1, "min": 1, "h": HOUR, "d": DAY, "w": WEEK}
PERIODS = tuple(
    [minutes for minutes in range(1, HOUR) if HOUR % minutes == 0]
    + [hours * HOUR for hours in range(1, 24) if 24 % hours == 0]
    + [DAY, WEEK]
)
"""Minutes. Only these have the same distance between any two runs in cron: a step of 7 minutes would start over each hour."""


@dataclass(frozen=True)
class Period:
    """minutes: one of PERIODS. minute, hour: when it runs, UTC; the minute counts from 0 to minutes - 1 below an hour."""

    minutes: int
    minute: int
    hour: int = 0

    @classmethod
    def parse(cls, every: str, *, at: str = "", name: str = "") -> Period:
        """Return the period of "15m", "1h", "1d" or "1w".

        at: "HH:MM", UTC, for a period of a day or a week; "" takes a minute that depends on `name` alone, so that many
        schedules do not run at the same moment, and the hour 2.
        Raises: UsageError.
        """
        found = re.fullmatch(r"([1-9][0-9]{0,4}) ?(m|min|h|d|w)", every.strip())
        minutes = int(found[1]) * _UNITS[found[2]] if found else 0
        if minutes not in PERIODS:
            raise UsageError(
                f"every {every[:40]!r} is not a period: give minutes that divide an hour (15m), hours that divide a day (1h, 6h), 1d or 1w"
            )
        spread = crc32(name.encode()) % min(minutes, HOUR)
        if not at:
            return cls(minutes, spread, 2 % max(1, minutes // HOUR))
        given = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", at.strip())
        if given is None:
            raise UsageError(f"at {at[:40]!r} is not a time of day: write it as 02:10, UTC")
        if minutes < DAY:
            raise UsageError(f"at {at!r} needs a period of a day or a week: give --every 1d or --every 1w")
        return cls(minutes, int(given[2]), int(given[1]))

    @property
    def text(self) -> str:
        """The period in words: "every hour", "every 15 minutes"."""
        for size, unit in ((WEEK, "week"), (DAY, "day"), (HOUR, "hour"), (1, "minute")):
            if self.minutes % size == 0:
                count = self.minutes // size
                return f"every {unit}" if count == 1 else f"every {count} {unit}s"
        raise AssertionError

    @property
    def cron(self) -> str:
        """The five fields of cron."""
        if self.minutes < HOUR:
            return f"{_steps(self.minute, self.minutes, HOUR)} * * * *"
        if self.minutes < DAY:
            return f"{self.minute} {_steps(self.hour, self.minutes // HOUR, 24)} * * *"
        return f"{self.minute} {self.hour} * * {'1' if self.minutes == WEEK else '*'}"

    @property
    def calendar(self) -> str:
        """The same as systemd's OnCalendar."""
        if self.minutes < HOUR:
            return f"*-*-* *:{self.minute:02}/{self.minutes}:00 UTC"
        if self.minutes < DAY:
            return f"*-*-* {self.hour:02}/{self.minutes // HOUR}:{self.minute:02}:00 UTC"
        return f"{'Mon ' if self.minutes == WEEK else ''}*-*-* {self.hour:02}:{self.minute:02}:00 UTC"


def _steps(first: int, step: int, end: int) -> str:
    """A cron field: every `step` from `first` on."""
    return "*" if step == 1 else f"{first}-{end - 1}/{step}"
