"""One guard under way: its curves, its evidence, window after window."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pratique.config import GuardPolicy, Policy
from pratique.judge.dispersion import Dispersion
from pratique.judge.evidence import ERRORS, LATENCY, Test
from pratique.judge.excess import SIMPLE, Excess, log_simple
from pratique.judge.hypergeometric import NODES, Floats, Ints, K, psi_at_nodes, variance_of
from pratique.judge.martingale import AT_ONCE, Wealth

NEVER = -1
STRATA_AT_ONCE = 4096
"""Windows × actions worked on together, so that the intermediate values stay in the processor's cache."""
FULL = 0.9
"""Share of the baseline's requests with the outcome, beyond which there is little room to be worse."""
_CAP = 700.0
"""Logs are cut here when evidence is taken out of them: e^700 is as good as certain, and still a number."""


@dataclass
class Fired:
    """Index of the first window at which some evidence passed 1/alpha, NEVER before that."""

    service: int
    actions: Ints


class Guard:
    """The state of one guard: additive curves for the service and each action, and what is summed beside them."""

    def __init__(self, name: str, settings: GuardPolicy, policy: Policy) -> None:
        """settings: the guard's; policy: the whole."""
        self.name = name
        self.settings = settings
        self.mixture = LATENCY if settings.is_latency else ERRORS
        fixed = policy.dispersion if policy.dispersion != "measured" else None
        self._fixed_phi = fixed
        prior = policy.dispersion_without_history
        self.service_dispersion = Dispersion(prior, policy.dispersion_block)
        self.action_dispersion = Dispersion(prior, policy.dispersion_block)
        self._limit = -math.log(policy.alpha)
        self.curve = np.zeros(K)
        self.curves = np.zeros((0, K))
        self.bad = np.zeros((2, 0), np.int64)
        self.n = np.zeros((2, 0), np.int64)
        self._simple = Wealth(np.full(len(SIMPLE), -math.log(len(SIMPLE))), AT_ONCE, (0,))
        self.log_e = 0.0
        self.log_e_actions = np.zeros(0)
        self.fired = Fired(NEVER, np.zeros(0, np.int64))
        self.phi = fixed or prior
        self.excess = Excess(settings.tolerated_excess)
        self.tolerate(settings.tolerated_ratio or 1.0)

    def tolerate(self, ratio: float) -> None:
        """Set the tolerated odds ratio; before the first window only."""
        self.tolerance = min(max(ratio, 1.0), 10.0)
        self._test = Test(self.tolerance, self.mixture)
        self._service, self._actions = self._test.wealth(), self._test.wealth((len(self.curves),))

    def grow(self, actions: int) -> None:
        """Make room for actions that have appeared."""
        missing = actions - len(self.curves)
        if missing <= 0:
            return
        self.curves = np.pad(self.curves, ((0, missing), (0, 0)))
        self._actions.grow(actions)
        self._simple.grow(actions)
        self.bad = np.pad(self.bad, ((0, 0), (0, missing)))
        self.n = np.pad(self.n, ((0, 0), (0, missing)))
        self.log_e_actions = np.pad(self.log_e_actions, (0, missing))
        self.fired.actions = np.pad(self.fired.actions, (0, missing), constant_values=NEVER)

    def feed(self, window: Ints, bad: Ints, n: Ints) -> tuple[Floats, Floats]:
        """Take windows in; returns the log e-value after each, of the service and of each action.

        window: numbers of the windows. bad, n: shape (arms, windows, actions), baseline first.
        """
        self.grow(bad.shape[2])
        step = max(1, STRATA_AT_ONCE // max(bad.shape[2], 1))
        parts = [slice(start, start + step) for start in range(0, len(window), step)]
        found = [self._feed(window[part], bad[:, part], n[:, part]) for part in parts]
        service, actions = zip(*found, strict=True)
        return np.concatenate(service), np.concatenate(actions)

    def _feed(self, window: Ints, bad: Ints, n: Ints) -> tuple[Floats, Floats]:
        self.bad += bad.sum(axis=1)
        self.n += n.sum(axis=1)
        marked, total, canary = bad.sum(axis=0), n.sum(axis=0), n[1]
        excess = bad[1] - marked * canary / np.maximum(total, 1)
        variance = variance_of(total, marked, canary)
        phi, phi_actions = self._phis(window, excess, variance)
        curves = _curves(total, marked, canary, bad[1])
        log_service = self._feed_service(window, curves, phi, bad.sum(axis=2), n.sum(axis=2))
        log_actions = self._feed_actions(window, curves, phi_actions, bad, n)
        return log_service, log_actions

    def _phis(self, window: Ints, excess: Floats, variance: Floats) -> tuple[Floats, Floats]:
        if self._fixed_phi is not None:
            fixed = np.full(len(window), float(self._fixed_phi))
            return fixed, fixed
        total = (values.sum(axis=1, keepdims=True) for values in (excess, variance))
        phi = self.service_dispersion.feed(window, *total)
        phi_actions = self.action_dispersion.feed(window, excess, variance)
        self.phi = float(phi[-1]) if len(phi) else self.phi
        return phi, phi_actions

    def _feed_service(self, window: Ints, curves: Floats, phi: Floats, bad: Ints, n: Ints) -> Floats:
        steps = curves.sum(axis=1) / phi[:, None]
        self.curve = self.curve + steps.sum(axis=0)
        log_e = self._service.feed(window, self._test.steps(steps))
        log_excess = self.excess.feed(window, bad, n, phi)
        if self.excess.tolerated > 0:
            # worse than tolerated means worse by both; the smaller of two e-processes is one for either null
            log_e = np.minimum(log_e, log_excess)
        self.log_e = float(log_e[-1])
        if self.fired.service == NEVER and (log_e >= self._limit).any():
            self.fired.service = int(window[np.argmax(log_e >= self._limit)])
        return log_e

    def _feed_actions(self, window: Ints, curves: Floats, phi: Floats, bad: Ints, n: Ints) -> Floats:
        steps = curves / phi[:, None, None]
        self.curves = self.curves + steps.sum(axis=0)
        log_e = self._actions.feed(window, self._test.steps(steps))
        if self.excess.tolerated > 0:
            simple = log_simple(bad, n, self.excess.tolerated) / phi[:, None, None]
            log_e = np.minimum(log_e, self._simple.feed(window, simple))
        self.log_e_actions = log_e[-1]
        passed = log_e >= self._limit
        new = passed.any(axis=0) & (self.fired.actions == NEVER)
        self.fired.actions[new] = window[passed[:, new].argmax(axis=0)]
        return log_e


def telling(bad: Ints, n: Ints) -> bool:
    """Whether a difference could show: both arms were seen, and the baseline is not full of the outcome already."""
    return bool(n.all() and bad[0] <= FULL * n[0])


def evidence(log_e: Floats) -> Floats:
    """e-values from their logs, kept finite."""
    return np.asarray(np.exp(np.minimum(log_e, _CAP)), np.float64)


def _curves(total: Ints, marked: Ints, canary: Ints, bad: Ints) -> Floats:
    """X θ - psi(θ) at NODES per stratum, shape (windows, actions, K); zero where a stratum tells nothing."""
    telling = (marked > 0) & (marked < total) & (canary > 0) & (canary < total)
    curves = np.zeros((*total.shape, K))
    psi = psi_at_nodes(total[telling], marked[telling], canary[telling])
    curves[telling] = bad[telling][:, None] * NODES - psi
    return curves
