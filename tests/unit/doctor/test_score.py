"""The score of a host, over the part that was looked at."""

import pytest

from pratique.doctor.finding import Found
from pratique.doctor.model import Finding, Result
from pratique.doctor.score import score_of
from support.host_facts import CHECK


def result(check, bad, of, reason="", accepted=0):
    findings = [
        Finding(check, Found(str(number), "x", "y"), accepted="ok" if number < accepted else "")
        for number in range(bad)
    ]
    return Result(CHECK[check], "found" if bad else "not looked at" if not of else "good", tuple(findings), of, reason)


@pytest.mark.parametrize(
    ("results", "score", "looked_at"),
    [
        ([result("disk", 0, 1)], 10.0, 1.0),
        ([result("log-unbounded", 1, 4)], 7.5, 1.0),
        ([result("log-unbounded", 4, 4), result("root-user", 0, 4)], 4.0, 1.0),
        # one way in is enough
        ([result("privileged", 1, 40)], 0.0, 1.0),
        ([result("log-unbounded", 4, 4, accepted=4)], 10.0, 1.0),
        ([result("disk", 0, 0, "it hangs")], None, 0.0),
        ([result("disk", 0, 0, "it hangs"), result("conntrack", 0, 1)], 10.0, 0.4),
        ([result("log-unbounded", 1, 2, "one hangs")], 5.0, 0.5),
        ([], None, 0.0),
    ],
)  # fmt: skip
def test_a_score_is_weighted_by_risk_over_the_part_looked_at(results, score, looked_at):
    assert score_of(results) == (score, pytest.approx(looked_at))
