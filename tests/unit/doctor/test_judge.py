"""Findings as they are kept: bounded, accepted ones last, and without the parts of a secret that a cut would leave."""

from datetime import timedelta

import pytest

from pratique.doctor.changes import HostHistory, with_changes
from pratique.doctor.finding import Found
from pratique.doctor.judge import MOST_FOUND
from support.examinations import report
from support.host_facts import CHECK, NOW, container, look, result

SECRET = "hunter2-hunter2-hunter2"


def writable(number, **accepted):
    containers = [container(Name=f"/c{nth:04}", HostConfig={"ReadonlyRootfs": False}) for nth in range(number)]
    until = (NOW + timedelta(days=1)).date()
    given = [{"check": "writable-root", "reason": "known", "until": until, **accepted}] if accepted else []
    return look(containers=containers, settings={"accepted": given})


def test_findings_that_are_not_listed_count_for_the_score():
    said = result("writable-root", writable(2 * MOST_FOUND))
    assert said.score == 0
    assert len(said.findings) == MOST_FOUND + 1
    assert said.findings[-1].found.what.startswith(f"{MOST_FOUND} more")


def test_accepted_findings_need_no_room():
    assert result("writable-root", writable(2 * MOST_FOUND, object="*")).open == ()
    said = result("writable-root", writable(2 * MOST_FOUND, object="c0*")).open
    assert len(said) == 0
    (one,) = result("writable-root", writable(1001, object="c0*")).open
    assert one.found.object == "c1000"


def test_a_finding_that_is_not_listed_is_neither_mended_nor_new_at_each_number():
    checks = [CHECK["writable-root"]]
    few = report(writable(MOST_FOUND + 1), checks=checks)
    known = frozenset(one.key for result in few.results for one in result.findings) | {"writable-root: c9999"}
    again = with_changes(report(writable(MOST_FOUND + 7), checks=checks), HostHistory(NOW, "run-1", known))
    assert again.gone == ()
    assert "writable-root: c9999" in again.carried
    assert not any(one.is_new for result in again.results for one in result.findings)


@pytest.mark.parametrize("rest", [150, 177, 190, 199])
def test_the_end_of_what_a_health_check_says_holds_no_part_of_a_secret(rest):
    output = f"password={SECRET}{'z' * rest}"
    state = {"Health": {"Status": "unhealthy", "Log": [{"Output": output}]}}
    (finding,) = result("unhealthy", look(containers=[container(State=state)])).findings
    assert "unter2" not in finding.found.what


@pytest.mark.parametrize("before", range(280, 300, 3))
def test_a_long_text_is_masked_before_it_is_cut(before):
    assert "ghp_" not in Found("shop", "x" * before + " ghp_0123456789abcdef0123", "docker ps").what
