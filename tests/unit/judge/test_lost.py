"""Lines that were not counted are a finding, which holds when they are many or uneven."""

import pytest

from pratique.config import Policy
from pratique.judge.lost import lost
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
