"""What changed since the run before."""

import pytest

from pratique.doctor.changes import HostHistory, records_of
from pratique.errors import UsageError
from pratique.outcomes import open_outcomes
from support.examinations import examination, report
from support.host_facts import CHECK, NOW, container, look

PAUSED = [container(State={"Paused": True})]


def kept(tmp_path, *seen, key="run-1"):
    outcomes = open_outcomes(tmp_path)
    for record in records_of(examination(*seen), key):
        outcomes.add(record)
    return HostHistory.read(outcomes, "local")


def new(host):
    return {finding.key for result in host.results for finding in result.findings if finding.is_new}


def test_the_first_run_has_nothing_new():
    host = report(look(containers=PAUSED))
    assert new(host) == set()
    assert host.compared_with is None


def test_a_finding_is_new_once_and_then_mended(tmp_path):
    history = kept(tmp_path, report(look()))
    host = report(look(containers=PAUSED), history)
    assert new(host) == {"held-still: shop"}
    history = kept(tmp_path, host, key="run-2")
    again = report(look(containers=PAUSED), history)
    assert new(again) == set()
    assert report(look(), history).gone == ("held-still: shop",)


def test_what_could_not_be_looked_at_again_is_neither_mended_nor_new_later(tmp_path):
    history = kept(tmp_path, report(look(containers=PAUSED)))
    silent = report(look(missing={"pauses": "it hangs"}), history)
    assert silent.gone == ()
    history = kept(tmp_path, silent, key="run-2")
    assert new(report(look(containers=PAUSED), history)) == set()


def test_an_accepted_finding_is_new_when_its_time_ends(tmp_path):
    accepted = {"accepted": [{"check": "held-still", "reason": "snapshot", "until": NOW.date()}]}
    history = kept(tmp_path, report(look(containers=PAUSED, settings=accepted)))
    assert new(report(look(containers=PAUSED), history)) == {"held-still: shop"}


def test_an_earlier_run_can_be_named(tmp_path):
    kept(tmp_path, report(look()), key="run-1")
    assert HostHistory.read(open_outcomes(tmp_path), "local", "run-1").at == NOW
    with pytest.raises(UsageError, match="no earlier examination 'run-9'"):
        HostHistory.read(open_outcomes(tmp_path), "local", "run-9")


def test_a_check_that_runs_for_the_first_time_has_nothing_new(tmp_path):
    history = kept(tmp_path, report(look(containers=PAUSED), checks=[CHECK["disk"]]))
    first = report(look(containers=PAUSED), history)
    assert new(first) == set()
    both = [container(State={"Paused": True}), container(Name="/other", Id="b" * 64, State={"Paused": True})]
    again = report(look(containers=both), kept(tmp_path, first, key="run-2"))
    assert new(again) >= {"held-still: other"}
    assert "held-still: shop" not in new(again)
