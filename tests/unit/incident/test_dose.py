import numpy as np

from pratique.incident.dose import harm_by_weight


def test_harm_that_grows_with_the_weight_is_said():
    n = np.array([[950] * 20 + [700] * 20 + [400] * 20, [50] * 20 + [300] * 20 + [600] * 20])
    bad = (n * np.repeat([0.005, 0.02, 0.06], 20)).astype(int)
    text = harm_by_weight(bad, n, phi=1.0)
    assert "the more weight it had" in text
    assert "at 60%" in text


def test_equal_harm_at_every_weight_is_not():
    n = np.array([[950] * 20 + [400] * 20, [50] * 20 + [600] * 20])
    assert harm_by_weight((n * 0.01).astype(int), n, phi=1.0) == ""


def test_one_weight_tells_nothing():
    n = np.array([[900] * 20, [100] * 20])
    assert harm_by_weight((n * 0.01).astype(int), n, phi=1.0) == ""
    assert harm_by_weight(np.zeros((2, 0), int), np.zeros((2, 0), int), phi=1.0) == ""
