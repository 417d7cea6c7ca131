"""The check of the deadline: in time, too late, or nothing known."""

import pytest

from pratique.check.deadline import deadline_state
from pratique.check.finding import Check, SkippedError, WarnedError
from pratique.config.load import parse
from pratique.store import open_store
from support.canaries import history

TEXT = """
[store]
url = "{store}"
[telemetry]
window_s = 60
[services.shop.rollout]
stages = [10]
[services.shop.judge]
deadline_min = {deadline}
[services.shop.judge.guards.5xx]
outcome = "5xx"
tolerated_ratio = 1.5
"""


@pytest.fixture
def config_of(tmp_path):
    open_store(str(tmp_path / "store")).write(history(1200.0, 0.01))
    return lambda deadline: parse(TEXT.format(store=tmp_path / "store", deadline=deadline), tmp_path / "pratique.toml")


@pytest.mark.slow
def test_a_deadline_that_cannot_be_met_is_a_warning(config_of):
    found = Check("judge.deadline_min", lambda: deadline_state(config_of(20), "shop")).run()
    assert found.state == "warning"
    assert "the deadline of 20 min; 5xx takes longest" in found.message
    assert found.message.endswith("pratique plan shop")


@pytest.mark.slow
def test_a_deadline_that_is_long_enough_is_ok(config_of):
    assert "promoted after" in deadline_state(config_of(1000), "shop")


def test_without_traffic_the_check_is_skipped(tmp_path):
    empty = parse(TEXT.format(store=tmp_path / "none", deadline=60), tmp_path / "pratique.toml")
    with pytest.raises(SkippedError, match="requests-per-minute"):
        deadline_state(empty, "shop")
    assert not issubclass(WarnedError, SkippedError)
