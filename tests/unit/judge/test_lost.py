"""Lines that were not counted are a finding, which holds when they are many or uneven."""

import pytest

from pratique.config import Policy
from pratique.judge.lost import lost, uneven_messages
from pratique.telemetry.lost_lines import LostLines

REQUESTS = {"r1": 9000, "r2": 1000}


@pytest.mark.parametrize(
    ("lines", "by_revision", "effect"),
    [(5, {}, "note"), (500, {}, "hold"), (10, {"r2": 10}, "hold"), (10, {"r1": 9, "r2": 1}, "note")],
)
def test_effect_follows_the_share_and_the_revision(lines, by_revision, effect):
    (finding,) = lost([LostLines("a", 0, 1, 10_000, {"no duration": lines}, by_revision)], Policy(), REQUESTS)
    assert finding.effect == effect
    assert f"{lines} of {10_000 + lines:,} lines" in finding.message
    assert "no duration" in finding.message


def test_nothing_lost_is_no_finding():
    assert not lost([LostLines("a", 0, 1, 10_000)], Policy(), REQUESTS)


@pytest.mark.parametrize("requests", [{"r1": 5000, "r2": 5000}, {"r1": 1000, "r2": 9000}])
def test_losses_of_a_revision_with_most_of_the_requests_can_be_uneven(requests):
    (finding,) = lost([LostLines("a", 0, 1, 10_000, {"format": 20}, {"r2": 20})], Policy(), requests)
    assert finding.effect == "hold"
    assert "most are of r2" in finding.message


def logs(of_r1, of_r2):
    """A log of each revision: 9,000 and 1,000 requests, and lines without a request."""
    found = [
        LostLines("a", 0, 1, 9_000, messages={"r1": of_r1} if of_r1 else {}),
        LostLines("b", 0, 1, 1_000, messages={"r2": of_r2} if of_r2 else {}),
    ]
    return uneven_messages(found, Policy(), "r1", "r2")


@pytest.mark.parametrize(("of_r1", "of_r2"), [(0, 60), (90, 60), (9, 30)])
def test_many_more_lines_without_a_request_in_the_canarys_log_hold(of_r1, of_r2):
    (finding,) = logs(of_r1, of_r2)
    assert (finding.kind, finding.effect) == ("lost lines", "hold")
    assert f"the log of r2 has {of_r2} lines without a request beside 1,000 requests" in finding.message


@pytest.mark.parametrize(("of_r1", "of_r2"), [(0, 0), (0, 9), (900, 100), (900, 150), (5_000, 0)])
def test_lines_without_a_request_as_usual_in_the_baselines_log_are_no_finding(of_r1, of_r2):
    assert not logs(of_r1, of_r2)


def test_lines_without_a_request_are_no_lost_lines():
    assert not lost([LostLines("b", 0, 1, 1_000, messages={"r2": 500})], Policy(), REQUESTS)
