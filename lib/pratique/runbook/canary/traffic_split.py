"""Which revision gets which share at each moment of a rollout. Pure: numbers in, shares out."""

from __future__ import annotations

from dataclasses import dataclass

from pratique.balancer.base import Pool
from pratique.errors import UsageError
from pratique.runbook.service.share_text import all_to, percents

FRESH = "-fresh"
"""Follows the baseline's name for a fresh instance of the baseline, in the pool and in access lines."""


@dataclass(frozen=True)
class Arms:
    """The revisions of a rollout. `fresh`: the name of the fresh baseline beside the canary, or None."""

    baseline: str
    canary: str
    fresh: str | None = None

    @property
    def compared(self) -> str:
        """The revision that the canary is compared with."""
        return self.fresh or self.baseline

    def at(self, percent: float) -> dict[str, float]:
        """Return the shares while the canary has `percent` of the traffic.

        A fresh baseline gets as much as the canary, so both arms are alike, and the old baseline serves the rest.
        Above 50 % there is no such rest, and the fresh baseline gets the remainder.
        """
        canary = percent / 100.0
        if self.fresh is None:
            return {self.baseline: 1.0 - canary, self.canary: canary}
        fresh = min(canary, 1.0 - canary)
        return {self.baseline: max(0.0, 1.0 - canary - fresh), self.fresh: fresh, self.canary: canary}

    def only(self, revision: str) -> dict[str, float]:
        """Return the shares that give all of the traffic to one revision."""
        return all_to(revision, self.at(0.0))


def arms_of(baseline: str, canary: str, *, fresh: bool) -> Arms:
    """Return the arms of a rollout; `fresh`: with a fresh baseline."""
    return Arms(baseline, canary, baseline + FRESH if fresh else None)


def baseline_of(pool: Pool | None, service: str, canary: str) -> str:
    """Return the revision that serves now.

    Raises: UsageError when none does, when several do, or when it is the canary itself.
    """
    serving = [revision for revision, share in pool.weights.items() if share > 0] if pool else []
    if pool is None or not serving:
        raise UsageError(
            f"{service} has no revision in its pool to compare with: start one with: pratique up {service} REVISION"
        )
    if serving == [canary]:
        raise UsageError(f"{service} {canary!r} already gets all of the traffic: release another revision")
    if len(serving) > 1 or canary in pool.servers:
        raise UsageError(f"{service} has {percents(pool.weights)} in its pool: end that rollout first")
    return serving[0]
