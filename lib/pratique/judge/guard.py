"""The state of one guard: its likelihood curves and its evidence, window by window."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pratique.config import GuardPolicy, Policy
from pratique.judge.blocks import by_block
from pratique.judge.dispersion import Dispersion, excess_and_variance
from pratique.judge.evidence import ERRORS, LATENCY, Test
from pratique.judge.excess import LOG_SIMPLE_WEIGHTS, Excess, log_simple
from pratique.judge.hypergeometric import NODES, Floats, Ints, K, psi_at_nodes
from pratique.judge.martingale import FROM_START, TestMartingale
from pratique.judge.outcomes import CodeOutcome
from pratique.judge.strata import Strata

NEVER = -1
"""The index of a window that has not come."""
STRATA_AT_ONCE = 4096
"""Windows × actions processed together: more intermediate values would not fit into the processor's cache."""
SATURATED = 0.9
"""Share of the baseline's requests with the outcome above which the canary has little room to be worse."""
RECENT = 10
"""Last windows whose counts are kept."""
_CAP = 700.0
"""Upper limit of log e-values before exponentiation: e^700 is still a finite double."""


@dataclass
class Fired:
    """Index of the first window after which the evidence passed 1/alpha; NEVER until then."""

    service: int
    actions: Ints


class Guard:
    """The state of one guard: curves, counts and evidence, for the whole service and for each action.

    history: the baseline's bad and all requests before the canary. recent: bad and all requests of the service in the
        last windows, shape (2, arms, windows).
    """

    def __init__(self, name: str, settings: GuardPolicy, policy: Policy, outcome: CodeOutcome | None = None) -> None:
        """settings: of this guard. policy: the one that it belongs to. outcome: of a guard on codes."""
        self.name = name
        self.settings = settings
        self.outcome = outcome
        self.history = np.zeros(2, np.int64)
        self.recent = np.zeros((2, 2, 0), np.int64)
        self.mixture = LATENCY if settings.is_latency else ERRORS
        fixed = policy.dispersion if policy.dispersion != "measured" else None
        self._fixed_phi = fixed
        prior, self._block = policy.dispersion_without_history, policy.dispersion_block
        self.service_dispersion = Dispersion(prior, self._block)
        self.action_dispersion = Dispersion(prior, self._block)
        self._service_strata, self._action_strata = Strata(), Strata()
        self._limit = -math.log(policy.alpha)
        self.curve = np.zeros(K)
        self.curves = np.zeros((0, K))
        self.bad = np.zeros((2, 0), np.int64)
        self.n = np.zeros((2, 0), np.int64)
        self._simple = TestMartingale(LOG_SIMPLE_WEIGHTS, FROM_START, (0,))
        self.log_e = 0.0
        self.log_e_actions = np.zeros(0)
        self.fired = Fired(NEVER, np.zeros(0, np.int64))
        self.phi = fixed or prior
        self.excess = Excess(settings.tolerated_excess, bounded=settings.must_be_shown)
        self.tolerate(settings.tolerated_ratio or 1.0)

    def tolerate(self, ratio: float) -> None:
        """Set the tolerated odds ratio. Call it before the first window only."""
        self.tolerance = min(max(ratio, 1.0), 10.0)
        self._test = Test(self.tolerance, self.mixture)
        self._service, self._actions = self._test.martingale(), self._test.martingale((len(self.curves),))

    def learn(self, bad: int, n: int) -> None:
        """Take in the baseline's history. bad, n: bad and all requests in it."""
        self.history += (bad, n)
        self.excess.learn(bad, n)

    def learn_dispersion(self, window: Ints, bad: Ints, n: Ints, *, halves: bool) -> None:
        """Take in how much the counts of the baseline vary before the canary.

        window, bad, n: as in `update`, with two parts of the baseline as arms: two halves of its hosts, which serve in the
        same windows, or (halves) both halves of each block of windows.
        """
        if halves:
            of_blocks = (np.stack([by_block(window, part, self._block) for part in counts]) for counts in (bad, n))
            found = excess_and_variance(*of_blocks)
            service, actions = self.service_dispersion.learn_from_halves, self.action_dispersion.learn_from_halves
        else:
            excess, variance = excess_and_variance(bad, n)
            found = by_block(window, excess, self._block), by_block(window, variance, self._block)
            service, actions = self.service_dispersion.learn, self.action_dispersion.learn
        service(*(values.sum(axis=1, keepdims=True) for values in found))
        actions(*found)

    def add_actions(self, actions: int) -> None:
        """Make room for actions seen for the first time. actions: their new total."""
        missing = actions - len(self.curves)
        if missing <= 0:
            return
        self.curves = np.pad(self.curves, ((0, missing), (0, 0)))
        self._actions.add_units(actions)
        self._simple.add_units(actions)
        self.bad = np.pad(self.bad, ((0, 0), (0, missing)))
        self.n = np.pad(self.n, ((0, 0), (0, missing)))
        self.log_e_actions = np.pad(self.log_e_actions, (0, missing))
        self.fired.actions = np.pad(self.fired.actions, (0, missing), constant_values=NEVER)

    def update(self, window: Ints, bad: Ints, n: Ints) -> tuple[Floats, Floats]:
        """Take windows in. Return the log e-value after each: of the service, shape (windows,), and of each action.

        window: numbers of the windows, rising. bad, n: shape (arms, windows, actions), baseline first.
        """
        self.add_actions(bad.shape[2])
        step = max(1, STRATA_AT_ONCE // max(bad.shape[2], 1))
        parts = [slice(start, start + step) for start in range(0, len(window), step)]
        found = [self._update(window[part], bad[:, part], n[:, part]) for part in parts]
        service, actions = zip(*found, strict=True)
        return np.concatenate(service), np.concatenate(actions)

    def _update(self, window: Ints, bad: Ints, n: Ints) -> tuple[Floats, Floats]:
        self.bad += bad.sum(axis=1)
        self.n += n.sum(axis=1)
        self.recent = np.concatenate([self.recent, np.stack([bad, n]).sum(axis=3)], axis=2)[:, :, -RECENT:]
        of_service = self._service_strata.join(window, bad.sum(axis=2, keepdims=True), n.sum(axis=2, keepdims=True))
        bad, n = self._action_strata.join(window, bad, n)
        phi, phi_actions = self._phis(window, *excess_and_variance(bad, n))
        curves = _curves(n.sum(axis=0), bad.sum(axis=0), n[1], bad[1])
        log_service = self._update_service(window, curves, phi, *(counts[:, :, 0] for counts in of_service))
        log_actions = self._update_actions(window, curves, phi_actions, bad, n)
        return log_service, log_actions

    def _phis(self, window: Ints, excess: Floats, variance: Floats) -> tuple[Floats, Floats]:
        if self._fixed_phi is not None:
            fixed = np.full(len(window), float(self._fixed_phi))
            return fixed, fixed
        total = (values.sum(axis=1, keepdims=True) for values in (excess, variance))
        phi = self.service_dispersion.update(window, *total)
        phi_actions = self.action_dispersion.update(window, excess, variance)
        self.phi = float(phi[-1]) if len(phi) else self.phi
        return phi, phi_actions

    def _update_service(self, window: Ints, curves: Floats, phi: Floats, bad: Ints, n: Ints) -> Floats:
        steps = curves.sum(axis=1) / phi[:, None]
        self.curve = self.curve + steps.sum(axis=0)
        log_e = self._service.update(window, self._test.steps(steps))
        log_excess = self.excess.update(window, bad, n, phi)
        if self.excess.tolerated > 0:
            # worse than tolerated means worse by both; the minimum of two e-processes is an e-process for either null
            log_e = np.minimum(log_e, log_excess)
        self.log_e = float(log_e[-1])
        if self.fired.service == NEVER and (log_e >= self._limit).any():
            self.fired.service = int(window[np.argmax(log_e >= self._limit)])
        return log_e

    def _update_actions(self, window: Ints, curves: Floats, phi: Floats, bad: Ints, n: Ints) -> Floats:
        steps = curves / phi[:, None, None]
        self.curves = self.curves + steps.sum(axis=0)
        log_e = self._actions.update(window, self._test.steps(steps))
        if self.excess.tolerated > 0:
            simple = log_simple(bad, n, self.excess.tolerated) / phi[:, None, None]
            log_e = np.minimum(log_e, self._simple.update(window, simple))
        self.log_e_actions = log_e[-1]
        passed = log_e >= self._limit
        new = passed.any(axis=0) & (self.fired.actions == NEVER)
        self.fired.actions[new] = window[passed[:, new].argmax(axis=0)]
        return log_e


def informative(bad: Ints, n: Ints) -> bool:
    """Whether a difference could show: both arms had requests, and most of the baseline's lack the outcome.

    bad, n: shape (2,), baseline first.
    """
    return bool(n.all() and bad[0] <= SATURATED * n[0])


def e_values(log_e: Floats) -> Floats:
    """Return e-values from their logs, limited to finite numbers."""
    return np.asarray(np.exp(np.minimum(log_e, _CAP)), np.float64)


def _curves(total: Ints, marked: Ints, canary: Ints, bad: Ints) -> Floats:
    """X θ - psi(θ) at NODES per stratum, shape (windows, actions, K); zero for a stratum without information."""
    informative_strata = (marked > 0) & (marked < total) & (canary > 0) & (canary < total)
    curves = np.zeros((*total.shape, K))
    psi = psi_at_nodes(total[informative_strata], marked[informative_strata], canary[informative_strata])
    curves[informative_strata] = bad[informative_strata][:, None] * NODES - psi
    return curves
