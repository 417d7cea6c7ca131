"""Find out from the balancer that a lease expired, from when until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pratique.balancer.base import Balancer
from pratique.clock import stamp, utc_now
from pratique.ledger import Ledger
from pratique.runbook.engine.step import Data


@dataclass(frozen=True)
class Lapse:
    """A lease that expired. All times are UTC.

    since: when it expired, or when it was last seen to hold. confirmed: when the balancer certainly had `shares`.
    until: when it was noticed.
    """

    revisions: tuple[str, ...]
    shares: dict[str, float]
    since: datetime
    confirmed: datetime
    until: datetime

    @property
    def data(self) -> Data:
        """The data of the ledger's entry."""
        times = {"since": self.since, "confirmed": self.confirmed, "until": self.until}
        return {"shares": self.shares} | {name: stamp(time) for name, time in times.items()}

    def __str__(self) -> str:
        """The lapse in a few words."""
        return f"the lease expired at {self.since:%H:%M:%S}, noticed at {self.until:%H:%M:%S}"


def find_lapse(ledger: Ledger, balancer: Balancer, service: str, *, last_held: datetime | None = None) -> Lapse | None:
    """Return the lapse that the ledger does not know yet; None if there is none.

    last_held: when the lease was last seen to hold, for a balancer that was restarted and has forgotten the time.
    Raises: UnavailableError, BusyError, StorageError.
    """
    entry = ledger.latest_shares(service)
    if entry is None:
        return None
    weights = balancer.weights(service)
    given = [revision for revision, share in entry.data["shares"].items() if share > 0]
    lost = tuple(revision for revision in given if weights.shares.get(revision, 0.0) == 0)
    leased = "lease_s" in entry.data or weights.lapsed is not None
    if not lost or not leased or weights.lease_left_s is not None or not weights.shares:
        return None
    now = utc_now()
    set_at = datetime.fromisoformat(entry.data["confirmed"]) if "confirmed" in entry.data else entry.time
    since = min(now, max(weights.lapsed or last_held or now, set_at))
    return Lapse(lost, dict(weights.shares), since, since if weights.lapsed else now, now)
