"""The state of a balancer: pool, shares and lease; and the choice of a server for a request."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from pratique.balancer.base import Pool
from pratique.balancer.lease import State
from pratique.balancer.shares import check_pool, check_shares, choose
from pratique.errors import UsageError
from support.shares import SERVERS, pool, three_shares


def chosen(weights, count, seed):
    rng = random.Random(seed)
    return [choose(pool(**weights), rng.random(), rng.random()) for _ in range(count)]


@pytest.mark.slow
def test_a_share_belongs_to_the_revision_whatever_its_number_of_servers():
    """Pearson's chi-square over 100,000 requests, seeded: three servers get no more than one does."""
    found = chosen({"r1": 0.9, "r2": 0.1}, 100_000, seed=1)
    revisions = [revision for revision, _ in found]
    counts = [revisions.count("r1"), revisions.count("r2")]
    assert chisquare(counts, [90_000, 10_000]).pvalue > 0.001


def test_the_servers_of_a_revision_get_equal_shares_and_are_all_tried():
    found = [servers for revision, servers in chosen({"r1": 1.0}, 30_000, seed=2) if revision == "r1"]
    first = [servers[0] for servers in found]
    assert chisquare([first.count(address) for address in SERVERS["r1"]]).pvalue > 0.001
    assert all(sorted(servers) == sorted(SERVERS["r1"]) for servers in found)


def test_choices_are_independent():
    """Runs test (Wald and Wolfowitz 1940) on half and half: z within 3.3."""
    found = [revision == "r2" for revision, _ in chosen({"r1": 0.5, "r2": 0.5}, 20_000, seed=3)]
    n1, n2 = found.count(True), found.count(False)
    runs = 1 + sum(a != b for a, b in itertools.pairwise(found))
    mean = 2 * n1 * n2 / (n1 + n2) + 1
    variance = (mean - 1) * (mean - 2) / (n1 + n2 - 1)
    assert abs(runs - mean) / math.sqrt(variance) < 3.3


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_a_revision_without_a_share_is_never_chosen(draw, second):
    assert choose(pool(r1=0.0, r2=1.0), draw, second) == ("r2", ("b:1",))


def test_without_shares_no_revision_is_chosen():
    assert choose(Pool("shop", {}, {}), 0.5, 0.5) is None


@given(three_shares(), st.sampled_from(["r1", "r2", "r3"]), st.floats(1e-6, 1.0))
def test_shares_that_do_not_sum_to_one_are_refused(shares, revision, more):
    with pytest.raises(UsageError):
        check_shares(shares | {revision: shares[revision] + more})


@pytest.mark.parametrize(
    ("shares", "problem"),
    [
        ({"r1": 0.5, "r2": 0.4}, "sum to 0.9: they must sum to 1"),
        ({"r1": 1.5, "r2": -0.5}, "from 0 to 1"),
        ({"r1": math.nan}, "from 0 to 1"),
        ({}, "sum to 0"),
    ],
)
def test_invalid_shares_are_refused(shares, problem):
    with pytest.raises(UsageError, match=problem):
        check_shares(shares)


def test_shares_may_differ_from_one_by_rounding():
    check_shares(dict.fromkeys("abcdefghij", 0.1))


def test_a_share_without_a_server_is_refused():
    with pytest.raises(UsageError, match=r"'r2' of shop has a share of 10\.0% but no server"):
        check_pool(Pool("shop", {"r1": ("a:1",), "r2": ()}, {"r1": 0.9, "r2": 0.1}))
    with pytest.raises(UsageError, match="but no server"):
        State(Pool("shop", {"r1": ("a:1",), "r2": ()}, {"r1": 1.0})).with_shares({"r2": 1.0}, None, 0.0)


@pytest.mark.parametrize(
    "address",
    ["", "a", "a:", ":1", "a:0", "a:65536", "a:1/x", "u@a:1", "a?:1", "a b:1", "a:١"],  # noqa: RUF001
)
def test_an_invalid_address_is_refused(address):
    with pytest.raises(UsageError, match="is not an address"):
        check_pool(Pool("shop", {"r1": (address,)}, {"r1": 1.0}))
