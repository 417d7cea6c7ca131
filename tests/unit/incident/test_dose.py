import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.incident.dose import harm_by_weight


def test_harm_that_grows_with_the_weight_is_said():
    n = np.array([[950] * 20 + [700] * 20 + [400] * 20, [50] * 20 + [300] * 20 + [600] * 20])
    bad = (n * np.repeat([0.005, 0.02, 0.06], 20)).astype(int)
    text = harm_by_weight(bad, n, phi=1.0)
    assert "fared worse at each larger weight" in text
    assert "at 60 %" in text


def test_equal_harm_at_every_weight_is_not():
    n = np.array([[950] * 20 + [400] * 20, [50] * 20 + [600] * 20])
    assert harm_by_weight((n * 0.01).astype(int), n, phi=1.0) == ""


def test_an_outage_that_grows_between_the_changes_of_the_weight_is_not():
    n = np.array([[950] * 20 + [700] * 20 + [400] * 20, [50] * 20 + [300] * 20 + [600] * 20])
    share = np.repeat([0.005, 0.02, 0.06, 0.06], [26, 20, 10, 4])
    assert harm_by_weight((n * share).astype(int), n, phi=1.0) == ""


def test_harm_that_falls_with_the_weight_is_said():
    n = np.array([[400] * 20 + [950] * 20, [600] * 20 + [50] * 20])
    text = harm_by_weight((n * np.repeat([0.06, 0.005], 20)).astype(int), n, phi=1.0)
    assert "bad at 5.0 % and" in text


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 2000)), max_size=40),
    share=st.floats(0.0, 1.0),
    phi=st.floats(1.0, 20.0),
)
def test_the_same_share_in_every_window_never_says_so(counts, share, phi):
    """Rounding alone moves the shares: that is no evidence."""
    n = np.array(counts, int).reshape(-1, 2).T
    assert harm_by_weight(np.round(n * share).astype(int), n, phi=phi) == ""


def test_one_weight_tells_nothing():
    n = np.array([[900] * 20, [100] * 20])
    assert harm_by_weight((n * 0.01).astype(int), n, phi=1.0) == ""
    assert harm_by_weight(np.zeros((2, 0), int), np.zeros((2, 0), int), phi=1.0) == ""
