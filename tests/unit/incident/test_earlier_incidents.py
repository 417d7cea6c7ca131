"""Blocks of history with an incident of one part are left out for that part alone."""

import numpy as np
import pytest

from pratique.incident.cells import cuboids_of
from pratique.incident.earlier_incidents import usual_entries

SIZES = (1, 4, 1, 3)
BLOCKS = 24


def usual(bad, n):
    """Which counts are usual. bad, n: shape (actions, hosts, blocks)."""
    keys = np.indices(SIZES).reshape(4, -1)
    leaf = np.repeat(np.arange(keys.shape[1]), BLOCKS)
    block = np.tile(np.arange(BLOCKS), keys.shape[1])
    found = usual_entries(
        keys, SIZES, cuboids_of(SIZES), leaf, block, bad.ravel(), n.ravel(), alpha=0.01, tolerated=1.5
    )
    return found.reshape(bad.shape)


def traffic(seed, share=0.005, requests=4000):
    rng = np.random.default_rng(seed)
    n = rng.poisson(requests, (4, 3, BLOCKS))
    return rng, n, np.full(n.shape, share)


@pytest.mark.parametrize("part", [(2, slice(None)), (slice(None), 1), (2, 1)])
def test_the_part_is_left_out_in_the_block_of_its_incident(part):
    rng, n, share = traffic(1)
    share[(*part, slice(7, 9))] *= 12
    wanted = np.ones(n.shape, bool)
    wanted[(*part, slice(7, 9))] = False
    assert (usual(rng.poisson(n * share), n) == wanted).all()


def test_an_incident_in_a_third_of_the_blocks_is_left_out():
    rng, n, share = traffic(2)
    share[2, :, ::3] *= 12
    found = usual(rng.poisson(n * share), n)
    assert not found[2, :, ::3].any()
    assert found[[0, 1, 3]].all()


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("share", [1e-5, 2e-4, 0.005])
def test_nothing_is_left_out_of_a_quiet_history(seed, share):
    rng, n, usually = traffic(seed, share)
    level = np.exp(0.2 * rng.standard_normal(BLOCKS))
    assert usual(rng.poisson(n * usually * level), n).all()


def test_too_few_blocks_tell_nothing():
    keys = np.zeros((4, 1), np.int64)
    block = np.arange(3)
    found = usual_entries(
        keys,
        (1, 1, 1, 1),
        [()],
        np.zeros(3, np.int64),
        block,
        np.array([1, 900, 1]),
        np.full(3, 1000),
        alpha=0.01,
        tolerated=1.5,
    )
    assert found.all()


def test_a_block_without_requests_is_no_median():
    rng, n, share = traffic(3)
    n[2, :, :10] = 0
    share[2, :, 20] *= 12
    found = usual(rng.poisson(n * share), n)
    assert not found[2, :, 20].any()
    assert found[2, :, :20].all()
