"""Grades of changes whose time and numbers do not agree, each from a whole analysis; and the changes that stand for themselves."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from pratique.incident.answer import undo_of
from pratique.incident.investigate import investigate
from support.incident_stories import MINUTES, START, MemoryStore, Traffic, change
from support.incident_values import sample_change, sample_suspect

UNDO = "pratique rollback shop"


def asked(traffic, *changes, seed=1):
    store = MemoryStore.of(traffic.rows(np.random.default_rng((seed, 0))))
    return investigate(store, "shop", start=START, end=START + timedelta(minutes=MINUTES), changes=changes).incident


def suspect_of(incident, revision):
    return next(suspect for suspect in incident.suspects if suspect.change.revision == revision)


def assert_not_blamed(incident):
    assert incident.answer == "no change of ours explains it"
    assert incident.undo == ""
    assert "caused" not in incident.sentence


@pytest.mark.slow
def test_a_release_after_the_start_is_too_late_however_its_requests_fare():
    traffic = Traffic.quiet(weights={60: (0.8, 0.2)}).fail(20, 8).fail(60, 3, "r42")
    incident = asked(traffic, change(60))
    assert_not_blamed(incident)
    late = suspect_of(incident, "r42")
    assert late.grade == "too late"
    assert "after the last moment at which it may have begun; its requests fail 3" in late.reason
    assert "but it came later" in incident.sentence


@pytest.mark.slow
def test_first_requests_after_the_start_are_too_late_whenever_the_release_was():
    traffic = Traffic.quiet(weights={80: (0.8, 0.2)}).fail(60, 8).fail(80, 3, "r42")
    incident = asked(traffic, change(59))
    assert_not_blamed(incident)
    assert suspect_of(incident, "r42").grade == "too late"
    assert "its first requests came at 13:20" in suspect_of(incident, "r42").reason


@pytest.mark.slow
def test_an_outage_that_a_hotfix_avoids_does_not_take_the_hotfix_back():
    traffic = Traffic.quiet(weights={80: (0.5, 0.5)}).fail(60, 20, "r41")
    incident = asked(traffic, change(-1200, "r41"), change(80))
    assert_not_blamed(incident)
    assert suspect_of(incident, "r42").grade == "too late"
    assert suspect_of(incident, "r41").grade == "cannot tell"
    assert "before the start, without that" in suspect_of(incident, "r41").reason


@pytest.mark.slow
def test_a_revision_that_was_well_beside_the_other_for_hours_is_not_the_cause():
    traffic = Traffic.quiet(weights={-300: (0.5, 0.5)}).fail(60, 20, "r42")
    incident = asked(traffic, change(-300))
    assert_not_blamed(incident)
    found = suspect_of(incident, "r42")
    assert (found.grade, found.in_time) == ("cannot tell", False)
    assert found.ratio_low > 5
    assert "it served from 07:00 on" in found.reason
    assert "but it served before the start" in incident.sentence


@pytest.mark.slow
def test_a_canary_that_fails_since_before_the_range_is_still_shown():
    traffic = Traffic.quiet(weights={-20: (0.9, 0.1)}).fail(-20, 40, "r42")
    incident = asked(traffic, change(-20))
    assert suspect_of(incident, "r42").grade == "shown"
    assert incident.undo == UNDO


@pytest.mark.slow
def test_a_release_whose_deployment_takes_long_is_in_time_by_its_first_requests():
    traffic = Traffic.quiet(weights={60: (0.9, 0.1)}).fail(60, 40, "r42")
    incident = asked(traffic, change(35))
    assert suspect_of(incident, "r42").grade == "shown"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_canary_that_gets_the_action_that_always_fails_more_is_not_blamed(seed):
    traffic = Traffic.quiet(weights={50: (0.8, 0.2)})
    traffic.n[traffic.where(50, "r42")] *= np.array([0.2, 0.2, 7.0, 0.2])[:, None]
    traffic.share[(slice(None), *traffic.where(-1440, "POST /checkout"))] *= 8
    incident = asked(traffic.fail(53, 6), change(50), seed=seed)
    assert_not_blamed(incident)
    assert suspect_of(incident, "r42").grade in {"alike in time", "cannot tell"}
    assert suspect_of(incident, "r42").ratio < 1.5


@pytest.mark.slow
def test_revisions_that_serve_other_actions_cannot_be_compared():
    traffic = Traffic.quiet(weights={60: (0.7, 0.3)})
    traffic.n[traffic.where(60, "r42")] *= np.array([0, 0, 1, 1])[:, None]
    traffic.n[traffic.where(60, "r41")] *= np.array([1, 1, 0, 0])[:, None]
    incident = asked(traffic.fail(60, 12), change(60))
    assert incident.answer == "cannot tell"
    found = suspect_of(incident, "r42")
    assert found.grade == "cannot tell"
    assert "nothing to compare" in found.reason


@pytest.mark.slow
def test_a_revision_that_never_served_does_not_fit_by_being_bound():
    incident = asked(Traffic.quiet().fail(60, 20), change(60, "r99", kind="bind"))
    assert incident.answer == "no change of ours explains it"
    found = suspect_of(incident, "r99")
    assert (found.grade, found.reason) == ("elsewhere", "it has served no requests")


@pytest.mark.slow
def test_changes_without_a_revision_are_one_each_for_each_text():
    flags = [
        change(60, "", kind="change", source="x.jsonl", number=None, why=why) for why in ("flag A", "flag B", "flag B")
    ]
    incident = asked(Traffic.quiet().fail(60, 20), *flags)
    assert [suspect.change.why for suspect in incident.suspects] == ["flag A", "flag B"]
    assert {suspect.grade for suspect in incident.suspects} == {"fits"}


def test_a_rollback_is_proposed_for_the_newest_revision_alone():
    guilty = [sample_suspect()]
    assert undo_of("shop", guilty, ["r41", "r42"]) == UNDO
    assert undo_of("shop", guilty, ["r42", "r43"]) == ""
    assert undo_of("shop", guilty, ["r41"]) == ""
    running = [sample_suspect(change=replace(sample_change(), active_run="run-9"))]
    assert undo_of("shop", running, ["r42", "r43"]) == "pratique abort run-9"


@pytest.mark.slow
def test_a_guilty_revision_beside_a_newer_one_is_not_rolled_back():
    revisions = ("r41", "r42", "r43")
    weights = {60: (0.8, 0.2, 0.0), 80: (0.6, 0.2, 0.2)}
    traffic = Traffic.quiet(revisions=revisions, weights=weights).fail(60, 40, "r42")
    incident = asked(traffic, change(60), change(80, "r43"))
    assert suspect_of(incident, "r42").grade == "shown"
    assert suspect_of(incident, "r43").grade == "too late"
    assert incident.undo == ""
