"""The state of a balancer: pool, shares and lease; and the choice of a server for a request."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.balancer.base import Lease, Pool
from pratique.balancer.lease import State, check_lease
from pratique.balancer.shares import check_shares
from pratique.errors import MissingError, UsageError
from support.shares import LEASE, SERVERS, leased, pool, three_shares


def test_a_lease_expires_at_its_end_and_not_before():
    state = leased(now=100.0)
    assert state.at(105.999) is state
    lapsed = state.at(106.0)
    assert lapsed.pool.weights == {"r1": 1.0, "r2": 0.0}
    assert (lapsed.lease, lapsed.lapsed, lapsed.lapses) == (None, 106.0, 1)
    assert lapsed.at(1e9) is lapsed


def test_only_the_share_of_the_canary_expires():
    servers = SERVERS | {"r1-fresh": ("c:1",)}
    state = State(Pool("shop", servers, {"r1": 1.0})).with_shares({"r1": 0.8, "r1-fresh": 0.1, "r2": 0.1}, LEASE, 0.0)
    assert state.at(6.0).pool.weights == pytest.approx({"r1": 0.9, "r1-fresh": 0.1, "r2": 0.0})


def test_renewing_a_lease_gives_it_its_full_time():
    state = leased(now=100.0).renewed(103.0)
    assert state.at(108.9).lease == LEASE
    assert state.at(109.0).lease is None


def test_an_expired_lease_cannot_be_renewed():
    with pytest.raises(MissingError, match="it expired, and the baseline has the traffic"):
        leased(now=100.0).at(200.0).renewed(200.0)


def test_new_shares_end_the_lease_and_clear_its_expiry():
    state = leased().at(200.0).with_shares({"r1": 0.0, "r2": 1.0}, None, 200.0)
    assert (state.lease, state.expires, state.lapsed, state.lapses) == (None, math.inf, None, 1)


def test_a_revision_that_is_left_out_has_no_share():
    assert State(pool()).with_shares({"r2": 1.0}, None, 0.0).pool.weights == {"r1": 0.0, "r2": 1.0}


def test_a_lease_continues_in_a_new_pool_with_the_same_revisions_and_shares():
    state = leased()
    more = Pool("shop", SERVERS | {"r2": ("b:1", "b:2")}, state.pool.weights)
    assert state.with_pool(more).at(105.0).lease == LEASE
    assert state.with_pool(pool()).lease is None
    assert state.with_pool(Pool("shop", {"r1": ("a:1",)}, {"r1": 1.0})).lease is None


@given(three_shares(), three_shares(), st.floats(0.0, 20.0))
def test_shares_sum_to_one_after_any_expiry_and_change(first, second, passed):
    state = State(Pool("shop", SERVERS | {"r3": ("c:1",)}, {"r1": 1.0})).with_shares(first, LEASE, 0.0).at(passed)
    check_shares(state.pool.weights)
    assert state.pool.weights["r2"] == (first["r2"] if passed < LEASE.ttl_s else 0.0)
    assert state.pool.weights["r3"] == first["r3"]
    again = state.with_shares(second, LEASE, passed).at(passed + LEASE.ttl_s)
    check_shares(again.pool.weights)
    assert again.pool.weights["r1"] == pytest.approx(second["r1"] + second["r2"])


def test_shares_with_rounding_errors_can_be_set_again_after_an_expiry():
    """A rollback applies the pool that it finds."""
    state = State(pool()).with_shares({"r1": 0.9, "r2": 0.1 + 5e-10}, LEASE, 0.0).at(6.0)
    assert state.with_pool(state.pool).pool.weights == {"r1": 1.0, "r2": 0.0}


def test_shares_and_leases_of_unknown_revisions_are_refused():
    with pytest.raises(MissingError, match="no revision 'r9' in the pool of shop: choose one of r1, r2"):
        State(pool()).with_shares({"r1": 0.5, "r9": 0.5}, None, 0.0)
    with pytest.raises(MissingError, match="'r9'"):
        State(pool()).with_shares({"r1": 1.0}, Lease("r9", "r1", 5.0), 0.0)


@pytest.mark.parametrize("ttl_s", [0.0, -1.0, 8.1, math.nan, math.inf])
def test_a_lease_that_is_too_long_is_refused(ttl_s):
    with pytest.raises(UsageError, match="a value above 0 and at most 8"):
        check_lease(Lease("r2", "r1", ttl_s))


def test_a_lease_with_one_revision_is_refused():
    with pytest.raises(UsageError, match="as both canary and baseline"):
        check_lease(Lease("r1", "r1", 5.0))
