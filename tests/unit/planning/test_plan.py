"""The plan of a service: traffic, forecast, proposals, and their text."""

import json
import tomllib

import pytest

from pratique.config import Config, GuardPolicy
from pratique.config.load import parse
from pratique.errors import UsageError
from pratique.planning.plan import plan
from pratique.planning.text import minutes, plan_text, proposal_toml

SMALL = """
[services.shop.rollout]
stages = [10]
[services.shop.judge.guards.5xx]
outcome = "5xx"
tolerated_ratio = 1.5
[services.shop.judge.guards.503]
outcome = "503"
tolerated_ratio = 3.0
tolerated_excess = 0.01
"""


def config(text, tmp_path):
    return parse(text, tmp_path / "pratique.toml")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    found = config(SMALL, tmp_path_factory.mktemp("plan"))
    return plan(found, "shop", requests_per_minute=1200.0, error_rates={"5xx": 0.005}, factors=(5.0,))


@pytest.mark.slow
def test_proposals_arrive_in_time_when_they_are_pasted_into_the_service_file(small, tmp_path):
    assert not small.arrives
    titles = [proposal.title for proposal in small.proposals]
    assert "wider tolerances" in titles
    assert "a longer deadline" in titles
    for proposal in small.proposals:
        pasted = config(proposal_toml(small, proposal), tmp_path)
        settings = pasted.services["shop"]
        assert settings.judge.guards == proposal.policy.guards or proposal.policy.guards == small.policy.guards
        stages = "[services.shop.rollout]\nstages = [10]\n" if proposal.rollout == small.rollout else ""
        merged = stages + proposal_toml(small, proposal)
        if proposal.policy.guards == small.policy.guards:
            merged += SMALL.partition("stages = [10]")[2]
        again = plan(
            config(merged, tmp_path),
            "shop",
            requests_per_minute=1200.0,
            error_rates={"5xx": 0.005},
            factors=(),
            proposing=False,
        )
        assert again.arrives


@pytest.mark.slow
def test_a_proposal_keeps_guards_in_time_and_widens_the_rest(small):
    wider = next(proposal for proposal in small.proposals if proposal.title == "wider tolerances")
    assert wider.policy.guards["503"] == small.policy.guards["503"]
    before, after = small.policy.guards["5xx"], wider.policy.guards["5xx"]
    assert (after.tolerated_ratio, after.tolerated_excess) > (before.tolerated_ratio, before.tolerated_excess)


@pytest.mark.slow
def test_the_text_names_the_slowest_guard_the_deadline_and_settings(small):
    text = plan_text(small)
    assert "1,200 requests a minute" in text
    assert "before the deadline of 60 min; 5xx takes longest" in text
    assert "\n[services.shop.judge.guards.5xx]\n" in text


@pytest.mark.slow
def test_json_has_minutes_by_guard_and_for_the_release(small):
    found = json.loads(json.dumps(small.to_json(), allow_nan=False))
    assert [guard["name"] for guard in found["guards"]] == ["5xx", "503"]
    assert found["release"]["promoted"]["median"] > 60
    assert found["guards"][0]["found"]["5"]["median"] < 30
    assert found["arrives"] is False
    assert found["proposals"][0]["changes"]


@pytest.mark.slow
def test_a_service_with_a_dot_in_its_name_is_quoted(tmp_path):
    found = plan(Config(), "a.b", requests_per_minute=50.0, factors=())
    assert tomllib.loads(proposal_toml(found, found.proposals[-1]))["services"]["a.b"]


@pytest.mark.slow
def test_a_busy_service_needs_no_proposal(tmp_path):
    found = plan(config(SMALL, tmp_path), "shop", requests_per_minute=1e6, factors=())
    assert found.arrives
    assert found.proposals == ()
    assert found.policy.guards["5xx"] == GuardPolicy(outcome="5xx", tolerated_ratio=1.5)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"error_rates": {"5xx": 0.1}}, "requests-per-minute"),
        ({"requests_per_minute": 600.0, "stages": (50.0, 5.0)}, "stages"),
        ({"requests_per_minute": 600.0, "within_min": 0.0}, "wished time"),
    ],
)
def test_wrong_use_is_named(given, named):
    with pytest.raises(UsageError, match=named):
        plan(Config(), "shop", **given)


def test_times_have_suitable_units():
    assert [minutes(value) for value in (0.5, 79.0, 200.0, 2880.0, None)] == [
        "30 s",
        "79 min",
        "3.3 h",
        "2 d",
        "> 30 d",
    ]
