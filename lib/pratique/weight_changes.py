"""A change of the shares of traffic, as ledger, judge and figures pass it on."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class WeightChange(NamedTuple):
    """A change of the shares of traffic. All times are UTC.

    time: when the change was asked for. shares: by revision, from 0 to 1. confirmed: when the balancer confirmed it;
    None: at once. Between the two nobody knows which shares were in force. kind: of the ledger's entry: "weight", "lapse"
    (a lease expired) or "clock" (the clock was set: no shares are known). note: for a lapse and a clock, what happened.
    """

    time: datetime
    shares: dict[str, float]
    confirmed: datetime | None = None
    kind: str = "weight"
    note: str = ""

    @property
    def in_force(self) -> datetime:
        """The time from which the shares were certainly in force."""
        return self.confirmed or self.time
