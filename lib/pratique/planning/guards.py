"""The judge's own guards as a plan uses them: prepared for the traffic, fed with counts, and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pratique.config import GuardPolicy, Policy
from pratique.judge.action_weights import mixed, weights_by_traffic
from pratique.judge.dispersion import PRIOR_STEPS
from pratique.judge.excess import Excess
from pratique.judge.guard import Guard, e_values
from pratique.judge.hypergeometric import Floats, Ints
from pratique.judge.remaining import evidence_within
from pratique.planning.timeline import Timeline
from pratique.planning.traffic import Outcome, Traffic

MOST_ACTIONS = 5
"""Actions that a plan tells apart; the smaller ones are joined."""


class ExpectedDispersion:
    """φ of a guard without history as it is expected: it falls from the prior to the true value, block by block.

    The cells of a plan are longer than the blocks of the judge, which therefore cannot be measured here.
    """

    def __init__(self, prior: float, true: float, block: int, factor: float) -> None:
        """block: windows in a block. factor: that φ is multiplied by."""
        self._prior, self._true, self._block, self._factor = prior, true, block, factor

    def update(self, window: Ints, excess: Floats, variance: Floats) -> Floats:
        """Return φ for each window, as `Dispersion.update` does."""
        del excess, variance
        blocks = np.maximum(window // self._block - 1, 0)
        phi = (PRIOR_STEPS * self._prior + blocks * self._true) / (PRIOR_STEPS + blocks)
        return np.asarray(np.maximum(phi, 1.0) * self._factor, np.float64)


@dataclass(frozen=True)
class PlannedGuard:
    """One guard of the policy before a canary of the given traffic."""

    name: str
    settings: GuardPolicy
    policy: Policy
    traffic: Traffic

    @property
    def outcome(self) -> Outcome:
        """The guard's outcome in the traffic."""
        return self.traffic.outcomes[self.name]

    @property
    def weight(self) -> float:
        """The guard's part of the combined evidence, from 0 to 1."""
        return self.settings.weight / sum(guard.weight for guard in self.policy.guards.values())

    def make_for_rollback(self) -> Guard:
        """Return the guard as it is before the canary's first window, to be read by `WorseReader`.

        Its φ also stands for the evidence that is lost because only equal windows and actions are compared.
        """
        return self._make(1.0 / self.traffic.stratified, Excess(self.settings.tolerated_excess, bounded=False))

    def make(self) -> Guard:
        """Return the guard as it is before the canary's first window."""
        return self._make(1.0, Excess(self.settings.tolerated_excess))

    def _make(self, factor: float, excess: Excess) -> Guard:
        outcome, history = self.outcome, self.traffic.history
        phi = max(outcome.dispersion, 1.0)
        measuring = not history and self.policy.dispersion == "measured"
        policy = self.policy if measuring else self.policy.model_copy(update={"dispersion": phi * factor})
        guard = Guard(self.name, self.settings, policy)
        guard.excess = excess
        if self.settings.is_latency:
            guard.tolerate(outcome.ratio)
        if history:
            excess.learn(round(outcome.rate * history), history)
        if measuring:
            prior, block = policy.dispersion_without_history, policy.dispersion_block
            expected = ExpectedDispersion(prior, phi, block, factor)
            guard.service_dispersion = guard.action_dispersion = expected  # type: ignore[assignment]
        return guard

    def read_within(self, guard: Guard, cells: Timeline, bad: Ints, n: Ints, read: list[int]) -> Floats:
        """Feed cells, and return the evidence that the canary is within the tolerances: by ratio, and by excess."""
        found, start = [], 0
        for end in read:
            part = slice(start, end + 1)
            guard.update(cells.last[part], bad[:, part, None], n[:, part, None])
            found.append(evidence_within(guard, self.traffic.stratified))
            start = end + 1
        return np.array(found).T


class WorseReader:
    """Feeds cells to a guard, and reads the evidence that the canary is worse, as the judge adds it up over actions."""

    def __init__(self, traffic: Traffic, rng: np.random.Generator) -> None:
        """rng: divides requests over the actions."""
        per_minute = sorted(traffic.actions.values(), reverse=True)
        joined = [*per_minute[: MOST_ACTIONS - 1], sum(per_minute[MOST_ACTIONS - 1 :])]
        shares = np.array([rate for rate in joined if rate > 0])
        self._shares = shares / shares.sum()
        # the judge weighs each of the actions that are joined here
        every = weights_by_traffic(np.array(per_minute))
        self._weights = np.append(every[: len(shares) - 1], every[len(shares) - 1 :].mean())
        self._rng = rng

    def __call__(self, guard: Guard, cells: Timeline, bad: Ints, n: Ints, read: list[int]) -> Floats:
        """Return the log of the guard's e-value after the cells read, shape (1, cells read)."""
        bad_by_action = self._rng.multinomial(bad, self._shares)
        n_by_action = bad_by_action + self._rng.multinomial(n - bad, self._shares)
        service, actions = guard.update(cells.last, bad_by_action, n_by_action)
        mean = 1.0 + (e_values(actions[read]) - 1.0) @ self._weights
        return np.log(mixed(e_values(service[read]), mean))[None, :]


def planned_guards(policy: Policy, traffic: Traffic) -> Sequence[PlannedGuard]:
    """Return the guards of a policy."""
    return [PlannedGuard(name, settings, policy, traffic) for name, settings in policy.guards.items()]
