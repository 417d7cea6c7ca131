"""All looks of the first pass together are one e-value: its mean is at most 1 when nothing is worse than tolerated."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pratique.incident import first_pass
from pratique.incident.observed import Counts, Observed

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WINDOWS, BLOCKS = 20, 144


def observed_with(bad, n_range, bad_before, n_before):
    """One revision, host and code, and an action for each column of `bad`, shape (windows, actions)."""
    actions = bad.shape[1]

    def counts(values, n, step_s):
        steps = len(values)
        at, group = (index.reshape(-1) for index in np.indices(values.shape))
        return Counts(steps, step_s, at, group, np.full(at.shape, n), at, group, values.reshape(-1).astype(np.int64))

    names = (("r1",), tuple(f"a{number:03d}" for number in range(actions)), ("503",), ("h",))
    zeros = np.zeros(actions, np.int64)
    return Observed(
        names=names,
        groups=np.stack([zeros, np.arange(actions), zeros]),
        history=counts(bad_before, n_before, 600),
        range=counts(bad, n_range, 60),
        times=np.datetime64("2026-11-20T12:00", "ms") + np.arange(WINDOWS) * np.timedelta64(60, "s"),
        start=START,
        end=START + timedelta(minutes=WINDOWS),
        before=START - timedelta(days=1),
    )


def test_parts_that_are_not_looked_at_are_paid_for(monkeypatch):
    monkeypatch.setattr(first_pass, "log_evidence", lambda bad, *_args, **_values: 0.0)
    bad = np.zeros((WINDOWS, 100), int)
    bad[:6, :3] = 1
    found = first_pass.first_pass(observed_with(bad, 100, np.ones((BLOCKS, 100), int), 1000), alpha=0.01, tolerated=1.5)
    assert found.looked_at == 1 + 3
    assert np.exp(found.log_e) == pytest.approx(0.5 + 0.5 * 3 / 100)


@pytest.mark.slow
def test_the_mean_of_the_evidence_is_at_most_1_where_many_parts_have_few_bad_requests():
    rng = np.random.default_rng(3)
    tolerated, actions, runs = 1.5, 400, 60
    found = []
    for _ in range(runs):
        bad_before = rng.poisson(0.6 * 10 / WINDOWS, (BLOCKS, actions))
        bad = rng.poisson(0.6 * tolerated / WINDOWS, (WINDOWS, actions))
        found.append(
            first_pass.first_pass(observed_with(bad, 100, bad_before, 1000), alpha=0.01, tolerated=tolerated).log_e
        )
    assert np.mean(np.exp(found)) < 1.3
    assert not (np.array(found) > np.log(100)).any()


@pytest.mark.slow
def test_one_bad_action_of_many_is_still_seen():
    rng = np.random.default_rng(4)
    bad = rng.poisson(0.05, (WINDOWS, 400))
    bad[10:, 7] += rng.poisson(4.0, WINDOWS - 10)
    found = first_pass.first_pass(
        observed_with(bad, 100, rng.poisson(0.5, (BLOCKS, 400)), 1000), alpha=0.01, tolerated=1.5
    )
    assert found.rise is not None
    assert found.part == "action a007"
