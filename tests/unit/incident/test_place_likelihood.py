"""The likelihood of a set of places: what leaves that rise unevenly may tell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom

from pratique.incident.cells import Cells
from pratique.incident.place_likelihood import UNEVEN, Candidate, Part, PlaceLikelihood


def cells(bad, expected, n=1000, spread=None, clustered=0.0):
    """Leaves of one revision, code and host: an action each."""
    bad, expected = np.asarray(bad), np.asarray(expected, float)
    count = len(bad)
    keys = np.zeros((4, count), np.int64)
    keys[1] = np.arange(count)
    requests = np.full(count, n)
    names = (("r1",), tuple(f"/{at}" for at in range(count)), ("503",), ("a",))
    return Cells(names, keys, bad, requests, np.zeros_like(bad), requests, expected, spread or {}, 24, clustered)


def whole(of, effect="times"):
    return Part.of(of, Candidate((None, None, None, None), 0.0, 0.0, effect))


def action(of, at, effect="times"):
    return Part.of(of, Candidate((None, at, None, None), 0.0, 0.0, effect))


def test_a_count_is_negative_binomial_with_what_the_place_adds_varying():
    bad, expected = np.array([30, 0, 12]), np.array([2.0, 3.0, 4.0])
    likelihood = PlaceLikelihood(cells(bad, expected))
    mean = expected * [9.0, 1.0, 2.0]
    shape = mean**2 / np.maximum(UNEVEN**2 * (mean - expected) ** 2, 1e-6 * mean**2)
    usual = np.full(3, 1e6)
    of_scipy = nbinom.logpmf(bad, shape, shape / (shape + mean)) - nbinom.logpmf(bad, usual, usual / (usual + expected))
    assert likelihood.log_likelihood(mean) == pytest.approx(of_scipy.sum(), abs=1e-3)


def test_leaves_that_rise_by_different_factors_are_one_place():
    rising = cells([40, 150, 60, 90, 200, 120], np.full(6, 10.0))
    likelihood = PlaceLikelihood(rising)
    one = likelihood.log_likelihood(likelihood.mean([whole(rising)]))
    more = [likelihood.log_likelihood(likelihood.mean([whole(rising), action(rising, at)])) for at in range(6)]
    assert max(more) - one < 4.6, "no leaf is worth the price of naming it"


def test_a_leaf_that_did_not_rise_tells_against_a_place_that_holds_it():
    flat = cells([10] * 10 + [200], np.full(11, 10.0))
    likelihood = PlaceLikelihood(flat)
    part, all_of_it = (likelihood.log_likelihood(likelihood.mean([place])) for place in (action(flat, 10), whole(flat)))
    assert part > all_of_it + 4.6


@pytest.mark.parametrize("effect", ["times", "more"])
@given(seed=st.integers(0, 10_000), size=st.floats(2.0, 30.0))
@settings(max_examples=25, deadline=None)
def test_a_place_gets_the_size_that_explains_its_requests(effect, seed, size):
    rng = np.random.default_rng(seed)
    expected = rng.uniform(20.0, 80.0, 8)
    added = size * expected if effect == "times" else expected + size * 10.0
    risen = cells(rng.poisson(added), expected)
    fitted = PlaceLikelihood(risen).mean([whole(risen, effect)])
    assert fitted.sum() == pytest.approx(added.sum(), rel=0.25)


def test_the_level_of_a_service_that_wanders_is_no_place():
    rng = np.random.default_rng(5)
    expected = np.full(40, 50.0)
    risen = rng.poisson(expected * np.where(np.arange(40) == 3, 12.0, 1.2))
    wandering, steady = cells(risen, expected, spread={(): 0.04}), cells(risen, expected)
    gains = []
    for of in (wandering, steady):
        likelihood = PlaceLikelihood(of)
        one = likelihood.log_posterior([action(of, 3)])
        gains.append(likelihood.log_posterior([action(of, 3), whole(of)]) - one)
    assert gains[0] < 3.0
    assert gains[1] > 20.0, "in a steady service the rest has risen, too"
    assert PlaceLikelihood(wandering).sizes([action(wandering, 3)]).level == pytest.approx(1.2, abs=0.05)


def test_bad_requests_that_come_together_are_weaker_evidence():
    bad, expected = np.array([6, 1, 0, 1]), np.full(4, 1.0)
    alone, together = cells(bad, expected), cells(bad, expected, clustered=2.0)
    gains = [PlaceLikelihood(of).gains([action(of, 0)], expected)[0][0] for of in (alone, together)]
    assert gains[1] < 0.7 * gains[0]


def test_what_nothing_adds_is_no_gain():
    quiet = cells([3, 2, 4], np.array([4.0, 4.0, 4.0]))
    likelihood = PlaceLikelihood(quiet)
    assert likelihood.log_likelihood(likelihood.expected) == 0.0
    ((gain, _),) = likelihood.gains([whole(quiet)], likelihood.expected)
    assert gain == -np.inf
