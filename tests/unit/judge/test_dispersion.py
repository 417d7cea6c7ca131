"""How much counts vary, from a history on one host."""

import numpy as np

from pratique.config import GuardPolicy, Policy
from pratique.judge.guard import Guard

WINDOWS = 8640


def learned(bad, n):
    """φ of a guard after a history of windows on one host. bad, n: shape (windows,)."""
    window = np.arange(len(n))
    second = (window % 10 >= 5)[:, None]
    guard = Guard("5xx", GuardPolicy(outcome="5xx"), Policy())
    parts = (np.stack([values[:, None] * ~second, values[:, None] * second]) for values in (bad, n))
    guard.learn_dispersion(window, *parts, halves=True)
    return guard.service_dispersion.phi


def test_a_day_of_independent_failures_shows_that_they_are_independent():
    rng = np.random.default_rng(1)
    n = rng.poisson(40 / 6, WINDOWS)
    assert learned(rng.binomial(n, 0.005), n) < 1.3


def test_failures_that_are_repeated_are_seen():
    rng = np.random.default_rng(1)
    n = rng.poisson(100, WINDOWS)
    first = rng.binomial(n, 0.002)
    clusters = first + np.where(first > 0, rng.negative_binomial(np.maximum(first, 1), 1 / 3), 0)
    assert learned(clusters, n + clusters - first) > 2.5


def test_an_hour_of_rare_failures_says_little():
    rng = np.random.default_rng(1)
    n = rng.poisson(40 / 6, 360)
    assert 1.3 < learned(rng.binomial(n, 0.005), n) < 2.5


def test_one_outage_in_a_short_history_does_not_decide():
    n = np.full(60, 20)
    bad = np.where((np.arange(60) >= 42) & (np.arange(60) < 45), 20, 0)
    assert learned(bad, n) < 4.0
