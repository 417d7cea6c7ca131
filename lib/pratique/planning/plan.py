"""Plan a release: measure or assume the traffic, forecast, and propose settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pratique.config import Config, Policy, RolloutSettings
from pratique.errors import UsageError
from pratique.planning.forecast import FACTORS, Forecast, Known, Progress, forecast
from pratique.planning.history import measure
from pratique.planning.proposal import Proposal, propose
from pratique.planning.traffic import Traffic, assume
from pratique.store import open_store
from pratique.telemetry.windows import joined_s


@dataclass(frozen=True)
class Plan:
    """What to expect of a release, and settings that would do better.

    within_min: the wished time until promotion in minutes. proposals: settings that reach it; empty when the present
    ones do, or when none was found.
    """

    service: str
    traffic: Traffic
    policy: Policy
    rollout: RolloutSettings
    forecast: Forecast
    within_min: float
    proposals: tuple[Proposal, ...]

    @property
    def arrives(self) -> bool:
        """Whether 90 % of good releases are promoted within the wished time."""
        p90 = self.forecast.release.promoted.p90
        return p90 is not None and p90 <= self.within_min

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; times in minutes."""
        proposals = [proposal.to_json(self.policy, self.rollout) for proposal in self.proposals]
        return (
            {"service": self.service}
            | self.forecast.to_json()
            | {"within_min": self.within_min, "arrives": self.arrives, "proposals": proposals}
        )


def plan(
    config: Config,
    service: str,
    *,
    requests_per_minute: float | None = None,
    error_rates: Mapping[str, float] | None = None,
    dispersion: float | None = None,
    stages: Sequence[float] = (),
    within_min: float | None = None,
    factors: Sequence[float] = FACTORS,
    proposing: bool = True,
    progress: Progress | None = None,
) -> Plan:
    """Plan a release of a service with its policy and stages.

    config: the service file; a service that it does not have gets the defaults. service: its name.
    requests_per_minute: of the whole service; default: everything is measured in the store. error_rates: by guard, in
    place of those assumed; dispersion: φ in place of the policy's; both only with requests_per_minute. stages: percent,
    in place of the service file's. within_min: the wished time until promotion; default: the judge's deadline.
    factors: how much worse the canaries are whose detection is forecast. proposing: whether to look for better settings. progress: called with the steps done and their number.
    Raises: UsageError, MissingError (nothing in the store); the errors of the store.
    """
    settings = config.services.get(service)
    policy = settings.judge if settings else Policy()
    rollout = settings.rollout if settings else RolloutSettings()
    if stages:
        rollout = _with_stages(rollout, stages)
    window_s = config.telemetry.window_s
    if config.store.is_read_only:
        # a release joins its windows to those of the store
        window_s = joined_s(window_s, config.store.mapping.window_s)
    if requests_per_minute is not None:
        traffic = assume(policy, requests_per_minute, rates=error_rates, window_s=window_s, dispersion=dispersion)
    elif error_rates or dispersion is not None:
        raise UsageError("--error-rate and --dispersion need --requests-per-minute: without it, all is measured")
    else:
        traffic = measure(open_store(config.store), service, policy, window_s=window_s)
    wished = policy.deadline_min if within_min is None else within_min
    if not wished > 0:
        raise UsageError(f"the wished time must be above 0 minutes, not {wished:g}")
    known: Known = {}
    found = forecast(traffic, policy, rollout, factors=factors, progress=progress, known=known)
    proposals = propose(traffic, policy, rollout, found, wished, known) if proposing else []
    return Plan(service, traffic, policy, rollout, found, wished, tuple(proposals))


def _with_stages(rollout: RolloutSettings, stages: Sequence[float]) -> RolloutSettings:
    try:
        return RolloutSettings.model_validate(rollout.model_dump() | {"stages": tuple(stages)})
    except ValueError:
        raise UsageError(
            f"stages must be percentages above 0 and at most 100 in rising order, not {', '.join(map(str, stages))}"
        ) from None
