"""Which requests are compared: parts of the traffic that both arms serve, on the same host where a host runs both."""

from datetime import timedelta

import numpy as np
import pytest

from pratique.incident.arms import arm_of
from pratique.incident.observed import observe
from pratique.incident.outcome import outcome_of
from support.incident_stories import MINUTES, START, MemoryStore, Traffic

EVERYWHERE = (None, None, None, None)


def arm(traffic, values=EVERYWHERE, since=60):
    store = MemoryStore.of(traffic.rows(np.random.default_rng(5)))
    end, before = START + timedelta(minutes=MINUTES), START - timedelta(days=1)
    outcome = outcome_of("5xx", store, "shop", before, START)
    observed = observe(store, "shop", outcome, start=START, end=end, before=before, window_s=60, block_s=600)
    windows = np.arange(MINUTES) >= since
    moment = START + timedelta(minutes=since)
    return arm_of(observed, "r42", values, windows, tolerated=1.5, phi=1.0, latency=False, since=moment)


@pytest.mark.slow
def test_a_bad_host_that_mostly_the_canary_uses_is_not_the_canary():
    traffic = Traffic.quiet(weights={60: (0.8, 0.2)}, per_minute=2000)
    traffic.n[traffic.where(60, "r42")] *= np.array([0.2, 0.2, 2.6])
    found = arm(traffic.fail(60, 10, "c"))
    assert found.shares_hosts
    assert found.control.ratio < 1.3
    assert found.control.log_e < np.log(100)


@pytest.mark.slow
def test_hosts_with_one_revision_each_are_compared_with_each_other():
    traffic = Traffic.quiet(weights={60: (0.8, 0.2)}, per_minute=2000)
    traffic.n[traffic.where(60, "r42")] *= np.array([0, 0, 3])
    traffic.n[traffic.where(60, "r41")] *= np.array([1.5, 1.5, 0])
    found = arm(traffic.fail(60, 10, "r42"))
    assert not found.shares_hosts
    assert found.control.log_e > np.log(100)


@pytest.mark.slow
def test_hosts_that_change_one_after_the_other_are_compared_with_each_other():
    traffic = Traffic.quiet(weights={60: (0.5, 0.5)}, per_minute=2000)
    for host, switch in (("a", 62), ("b", 85), ("c", 110)):
        traffic.n[traffic.where(switch, "r41", host)] = 0
        traffic.n[traffic.where(60, "r42", host, until=switch - 1)] = 0
    found = arm(traffic.fail(60, 10, "r42"))
    assert not found.shares_hosts
    assert found.control.log_e > np.log(100)


@pytest.mark.slow
def test_the_figures_get_all_requests_of_the_place():
    traffic = Traffic.quiet(weights={60: (0.8, 0.2)})
    arms = arm(traffic.fail(60, 10, "r42")).control.arms
    assert arms.n.shape == arms.bad.shape == (2, MINUTES)
    assert not arms.n[:, :60].any()
    assert arms.n[:, 60:].sum() == pytest.approx(60 * 600, rel=0.05)
    assert arms.n[1, 60:].sum() == pytest.approx(60 * 120, rel=0.1)
    assert arms.log_e[-1] > np.log(100) > arms.log_e[59] == 0
