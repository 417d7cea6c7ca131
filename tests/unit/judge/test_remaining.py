"""The traffic that a verdict still needs: it agrees with the plan of the release."""

import numpy as np
import pyarrow as pa
import pytest

from pratique.config import Policy, RolloutSettings
from pratique.config.judge import default_guards
from pratique.judge import Judge
from pratique.planning.forecast import forecast
from pratique.planning.traffic import assume
from pratique.telemetry.rollups import Rollups
from support.canaries import WINDOW_S, history, rollups
from support.simulate import START


def remaining(policy, per_minute, failing, share, *, minutes, seed):
    rng = np.random.default_rng(seed)
    judge = Judge(policy, "shop", "r1", "r2", WINDOW_S, start=START)
    judge.update(history(per_minute, failing, seed=seed + 100))
    parts = [
        rollups(rng, revision, range(minutes), [per_minute * part] * minutes, failing).table
        for revision, part in (("r1", 1 - share), ("r2", share))
    ]
    judge.update(Rollups(pa.concat_tables(parts)))
    return judge.verdict(START).remaining


@pytest.mark.slow
@pytest.mark.parametrize(
    ("per_minute", "failing", "share"), [(1200.0, 0.01, 0.1), (6000.0, 0.0005, 0.5), (600.0, 0.02, 0.5)]
)
def test_the_remaining_time_at_the_start_is_that_of_the_plan(per_minute, failing, share):
    policy = Policy(deadline_min=1e6, dispersion=1.0, guards={"5xx": default_guards()["5xx"]})
    traffic = assume(policy, per_minute, rates={"5xx": failing}, window_s=WINDOW_S)
    planned = forecast(traffic, policy, RolloutSettings(stages=(100 * share,)), factors=()).release.promoted
    found = [remaining(policy, per_minute, failing, share, minutes=2, seed=seed) for seed in range(15)]
    total = 2.0 + np.median([left.minutes for left in found if left])
    # the remaining time is a mean, which is longer than the median
    assert 0.7 * planned.median < total < planned.p90


@pytest.mark.slow
def test_the_line_names_requests_guard_and_time():
    policy = Policy(deadline_min=1e6, dispersion=1.0, guards={"5xx": default_guards()["5xx"]})
    left = remaining(policy, 1200.0, 0.01, 0.1, minutes=2, seed=1)
    assert left.requests > 1000
    assert left.message.startswith(f"needs about {left.requests:,} more canary requests for 5xx")
