"""A scheduled report ends with an error for the verdicts that its fail_on names, and for no other."""

from types import SimpleNamespace

import pytest

from pratique.errors import UsageError
from pratique.judge.model import Finding
from pratique.report import open_comparison
from pratique.report.fail_on import FAIL_ON, FailOnInconclusiveError, FailOnRollbackError, check_fail_on, raise_on

GAP = Finding("gap", "hold", "r3 was silent for 30 minutes")


def verdict(word, *findings):
    return SimpleNamespace(service="shop", canary="r3", verdict=word, reason="5xx: 17x", findings=findings)


@pytest.mark.parametrize("level", FAIL_ON)
def test_a_rollback_is_an_error_at_every_level(level):
    with pytest.raises(FailOnRollbackError, match="shop r3: rollback: 5xx: 17x") as raised:
        raise_on(verdict("rollback"), level)
    assert raised.value.exit_status == 1


@pytest.mark.parametrize("word", ["inconclusive", "continue"])
def test_a_verdict_that_is_not_a_pass_is_an_error_from_inconclusive_on(word):
    raise_on(verdict(word, GAP), "rollback")
    for level in ("inconclusive", "finding"):
        with pytest.raises(FailOnInconclusiveError) as raised:
            raise_on(verdict(word), level)
        assert raised.value.exit_status == 2


def test_a_promotion_with_a_finding_is_an_error_only_for_finding():
    raise_on(verdict("promote", GAP), "inconclusive")
    raise_on(verdict("promote"), "finding")
    with pytest.raises(FailOnRollbackError, match="1 finding, the first: r3 was silent"):
        raise_on(verdict("promote", GAP), "finding")


@pytest.mark.parametrize("word", ["promote", "rollback", "continue", "inconclusive"])
def test_without_a_level_no_verdict_is_an_error(word):
    raise_on(verdict(word, GAP), "")


@pytest.mark.parametrize("wrong", ["Rollback", "worse", "rollback, inconclusive", " "])
def test_a_wrong_level_is_refused_before_anything_is_read(wrong, tmp_path):
    with pytest.raises(UsageError, match="give rollback, inconclusive or finding"):
        check_fail_on(wrong)
    with pytest.raises(UsageError, match="is not a level"):
        open_comparison("shop", "r2", "r3", store=str(tmp_path / "no such store"), fail_on=wrong)
