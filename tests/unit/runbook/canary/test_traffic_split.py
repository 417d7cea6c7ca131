import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.balancer.base import Pool
from pratique.errors import UsageError
from pratique.runbook.canary.traffic_split import Arms, arms_of, baseline_of
from pratique.runbook.service.share_text import all_to, percents


@given(percent=st.floats(min_value=0, max_value=100), fresh=st.booleans())
@pytest.mark.slow
def test_shares_sum_to_one_and_the_canary_gets_its_stage(percent, fresh):
    shares = arms_of("r1", "r2", fresh=fresh).at(percent)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["r2"] == percent / 100
    assert min(shares.values()) >= 0


def test_a_fresh_baseline_gets_as_much_as_the_canary():
    arms = arms_of("r1", "r2", fresh=True)
    assert arms.compared == "r1-fresh"
    assert arms.at(5.0) == pytest.approx({"r1": 0.9, "r1-fresh": 0.05, "r2": 0.05})
    assert arms.at(80.0)["r1-fresh"] == pytest.approx(0.2)
    assert arms.only("r2") == {"r1": 0.0, "r1-fresh": 0.0, "r2": 1.0}


def test_without_a_fresh_baseline_the_baseline_gets_the_rest():
    assert Arms("r1", "r2").at(25.0) == {"r1": 0.75, "r2": 0.25}
    assert Arms("r1", "r2").compared == "r1"


def pool(**weights):
    return Pool("shop", dict.fromkeys(weights, ("127.0.0.1:1",)), weights)


def test_the_baseline_is_the_revision_that_serves_now():
    assert baseline_of(pool(r1=1.0), "shop", "r2") == "r1"


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "no revision in its pool"),
        (pool(r2=1.0), "already gets all of the traffic"),
        (pool(r1=0.5, r3=0.5), "end that rollout first"),
        (pool(r1=1.0, r2=0.0), "end that rollout first"),
    ],
)
def test_any_other_pool_is_refused(found, message):
    with pytest.raises(UsageError, match=message):
        baseline_of(found, "shop", "r2")


def test_percents_are_readable():
    assert percents({"r1": 0.95, "r2": 0.05}) == "r1 95 %, r2 5 %"


def test_all_of_the_traffic_goes_to_one_revision():
    assert all_to("r2", ["r1", "r2"]) == {"r1": 0.0, "r2": 1.0}
