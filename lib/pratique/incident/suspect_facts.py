"""What the grades of changes rest on, from the observed requests: the place, the arms inside it, and the untouched rest."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from pratique.config import Policy
from pratique.incident.arms import arm_of
from pratique.incident.cells import members
from pratique.incident.measures import Placebos
from pratique.incident.model import Onset
from pratique.incident.observed import Observed
from pratique.incident.parallel_trends import placebos
from pratique.incident.suspects import Arm, Facts
from pratique.incident.when import Rise
from pratique.incident.where import Found


def facts_of(
    observed: Observed,
    service: str,
    rise: Rise,
    onset: Onset,
    found: Found,
    *,
    policy: Policy,
    latency: bool,
    alpha: float,
    tolerated: float,
    phi_of_service: float,
) -> Facts:
    """Return the facts about a rise in its first place. phi_of_service: of the blocks of the history."""
    values = found.values[0] if found.values else (None, None, None, None)
    phi = policy.dispersion_without_history
    fixed = phi if policy.dispersion == "measured" else float(policy.dispersion)
    step = observed.range.step_s
    bad_times = np.zeros(observed.range.steps, bool)
    bad_times[rise.first : rise.ended[1] if rise.ended else None] = True

    def arm(revision: str, since: datetime) -> Arm:
        later = np.arange(len(bad_times)) * step >= (since - observed.start).total_seconds() - step
        return arm_of(
            observed,
            revision,
            values,
            bad_times & later,
            tolerated=tolerated,
            phi=fixed,
            latency=latency,
            since=since,
        )

    return Facts(
        service=service,
        onset=onset,
        began_before=rise.first == 0,
        place=found.places.found[0] if found.places.found else None,
        window_s=step,
        alpha=alpha,
        tolerated=tolerated,
        phi=max(fixed, phi_of_service),
        arm=arm,
        untouched=lambda: _untouched(observed, rise, values),
    )


def _untouched(observed: Observed, rise: Rise, values: tuple[int | None, ...]) -> Placebos | None:
    """Difference-in-differences of the place and the rest of the service."""
    inside = members(observed.keys, values)
    groups = observed.serving(inside)
    past, outside = observed.history, np.repeat(~groups, observed.codes)
    blocks = (
        past.bad_requests(inside),
        past.requests(groups),
        past.bad_requests(outside),
        past.requests(~groups),
    )
    part = rise.affected
    now = observed.range
    bad = np.array([now.bad_requests(leaves)[part].sum() for leaves in (inside, outside)])
    n = np.array([now.requests(cells)[part].sum() for cells in (groups, ~groups)])
    begins = np.datetime64(int(observed.before.timestamp() * 1000), "ms")
    times = begins + np.arange(past.steps) * np.timedelta64(past.step_s, "s")
    return placebos(*blocks, times, (bad, n))
