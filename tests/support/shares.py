"""A pool of two revisions, a lease on one of them, and shares for property tests."""

from hypothesis import strategies as st

from pratique.balancer.base import Lease, Pool
from pratique.balancer.lease import State

SERVERS = {"r1": ("a:1", "a:2", "a:3"), "r2": ("b:1",)}
LEASE = Lease("r2", "r1", 6.0)


def pool(**weights):
    return Pool("shop", SERVERS, weights or {"r1": 1.0, "r2": 0.0})


def leased(now=100.0):
    return State(pool()).with_shares({"r1": 0.75, "r2": 0.25}, LEASE, now)


@st.composite
def three_shares(draw):
    """Shares of three revisions, from counts."""
    counts = draw(st.lists(st.integers(0, 1_000_000), min_size=3, max_size=3).filter(any))
    return dict(zip(("r1", "r2", "r3"), (count / sum(counts) for count in counts), strict=True))
