"""Windows with few requests are joined; no request is lost or counted twice."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pratique.judge.strata import ENOUGH, LONGEST, Strata

COUNTS = st.lists(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=2), min_size=1, max_size=30
)


def arrays(counts):
    n = np.moveaxis(np.array(counts, np.int64), 2, 0)
    return n // 2, n


@given(COUNTS)
def test_joined_windows_keep_every_request(counts):
    bad, n = arrays(counts)
    windows, late = np.arange(len(counts)), np.arange(len(counts), len(counts) + LONGEST)
    strata = Strata()
    parts = [strata.join(windows, bad, n), strata.join(late, *np.zeros((2, 2, LONGEST, 2), np.int64))]
    for index, given_counts in enumerate((bad, n)):
        joined = np.concatenate([part[index] for part in parts], axis=1)
        assert (joined.sum(axis=1) == given_counts.sum(axis=1)).all()


@given(COUNTS)
def test_joining_is_the_same_window_by_window_and_all_at_once(counts):
    bad, n = arrays(counts)
    whole = Strata().join(np.arange(len(counts)), bad, n)
    strata = Strata()
    steps = [strata.join(np.array([w]), bad[:, w : w + 1], n[:, w : w + 1]) for w in range(len(counts))]
    for index in (0, 1):
        assert (np.concatenate([step[index] for step in steps], axis=1) == whole[index]).all()


def test_windows_with_enough_requests_stay_as_they_are():
    n = np.full((2, 5, 3), ENOUGH)
    bad, same = Strata().join(np.arange(5), n // 3, n)
    assert bad is not n
    assert (same == n).all()
