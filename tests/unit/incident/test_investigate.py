"""Stories with a known cause, from the store to the answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pratique.config import Policy
from pratique.errors import MissingError, UsageError
from pratique.incident.investigate import investigate
from support.incident_stories import (
    MINUTES,
    START,
    USUAL,
    MemoryStore,
    Traffic,
    change,
    slow_rows,
)

END = START + timedelta(minutes=MINUTES)


def minute(number):
    return START + timedelta(minutes=number)


def store_of(*services, seed=1):
    return MemoryStore.of(*(service.rows(np.random.default_rng((seed, n))) for n, service in enumerate(services)))


def asked(store, outcome="5xx", **values):
    return investigate(store, "shop", outcome, **({"start": START, "end": END} | values)).incident


def place(incident):
    first = incident.places.found[0]
    return first.revision, first.action, first.code, first.host


def grades(incident):
    return {(suspect.change.service, suspect.change.revision): suspect.grade for suspect in incident.suspects}


@pytest.mark.slow
def test_a_bad_canary_whose_run_goes_on_is_undone_by_ending_the_run():
    traffic = Traffic.quiet(weights={60: (0.9, 0.1)}).fail(60, 40, "r42")
    incident = asked(store_of(traffic), changes=[replace(change(60), active_run="run of r42")])
    assert incident.undo == "pratique abort 'run of r42'"


@pytest.mark.slow
def test_changes_of_more_than_a_day_before_and_after_the_range_are_no_candidates():
    traffic = Traffic.quiet(weights={60: (0.9, 0.1)}).fail(60, 40, "r42")
    old = replace(change(60), time=START - timedelta(hours=25), revision="r41")
    late = replace(change(60), time=END, revision="r41")
    found = investigate(store_of(traffic), "shop", start=START, end=END, changes=[old, change(60), late])
    assert found.changes == (change(60),)
    assert grades(found.incident) == {("shop", "r42"): "shown"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_bad_canary_is_shown_and_can_be_undone(seed):
    traffic = Traffic.quiet(weights={60: (0.9, 0.1)}).fail(60, 40, "r42")
    incident = asked(store_of(traffic, seed=seed), changes=[change(60)])
    assert incident.answer == "a release of ours"
    assert grades(incident) == {("shop", "r42"): "shown"}
    assert incident.undo == "pratique rollback shop"
    assert place(incident) == ("r42", None, None, None)
    assert incident.onset.started.first <= minute(60) <= incident.onset.started.last
    assert incident.onset.ended is None
    assert "since 13:00" in incident.sentence
    assert "caused it, or the hosts it runs on" in incident.sentence
    assert incident.suspects[0].ratio_low > 5


def test_a_canary_that_fails_in_one_action_is_found_there():
    traffic = Traffic.quiet(weights={60: (0.8, 0.2)}, per_minute=2000).fail(60, 60, "r42", "POST /checkout", code=503)
    incident = asked(store_of(traffic), changes=[change(60)])
    assert place(incident) == ("r42", "POST /checkout", "503", None)
    assert grades(incident) == {("shop", "r42"): "shown"}


@pytest.mark.slow
@pytest.mark.parametrize("before", [1, 5, 30])
@pytest.mark.parametrize("seed", [1, 2])
def test_an_innocent_canary_beside_an_outage_is_never_blamed(before, seed):
    traffic = Traffic.quiet(weights={60 - before: (0.9, 0.1)}).fail(60, 8)
    incident = asked(store_of(traffic, seed=seed), changes=[change(60 - before)])
    assert incident.answer in {"no change of ours explains it", "cannot tell"}
    assert grades(incident)["shop", "r42"] in {"alike", "alike in time", "cannot tell"}
    assert incident.undo == ""
    assert "caused" not in incident.sentence


@pytest.mark.slow
def test_a_canary_that_harms_both_arms_is_not_exonerated():
    traffic = Traffic.quiet(weights={60: (0.5, 0.5)}, per_minute=2000).fail(60, 8)
    incident = asked(store_of(traffic), changes=[change(60)])
    assert grades(incident) == {("shop", "r42"): "alike in time"}
    assert "harms both" in incident.suspects[0].reason


def test_harm_that_grows_with_the_weight_of_a_canary_is_said():
    weights = {60: (0.95, 0.05), 75: (0.7, 0.3), 95: (0.4, 0.6)}
    traffic = Traffic.quiet(weights=weights, per_minute=2000).fail(60, 3).fail(75, 2).fail(95, 2)
    incident = asked(store_of(traffic), changes=[change(60), change(75, kind="weight"), change(95, kind="weight")])
    assert grades(incident) == {("shop", "r42"): "alike in time"}
    assert "fared worse at each larger weight" in incident.suspects[0].reason


def test_a_full_switch_fits_at_most_and_its_coincidence_is_said():
    traffic = Traffic.quiet(weights={60: (0.0, 1.0)}, per_minute=2000).fail(60, 8, "r42", "POST /checkout")
    investigation = investigate(store_of(traffic), "shop", start=START, end=END, changes=[change(60)])
    incident, (measured,) = investigation.incident, investigation.measures.suspects
    assert incident.answer == "a change fits"
    assert grades(incident) == {("shop", "r42"): "fits"}
    assert 0 < incident.suspects[0].coincidence < 0.2
    assert "by chance" in incident.sentence
    assert "caused" not in incident.sentence
    assert incident.undo == ""
    assert measured.placebos.rank == 0


@pytest.mark.slow
def test_of_two_services_released_within_a_minute_the_guilty_one_is_shown():
    shop = Traffic.quiet(weights={60: (0.9, 0.1)}).fail(60, 30, "r42")
    pay = Traffic.quiet("pay", weights={60: (0.9, 0.1)})
    incident = asked(store_of(shop, pay), changes=[change(60), change(60.5, service="pay")])
    assert grades(incident) == {("shop", "r42"): "shown", ("pay", "r42"): "in time only"}


@pytest.mark.slow
def test_a_release_that_was_undone_is_shown_and_over():
    traffic = Traffic.quiet(weights={60: (0.8, 0.2), 80: (1.0, 0.0)}).fail(60, 30, "r42")
    changes = [change(60), change(80, "r41", kind="rollback")]
    incident = asked(store_of(traffic), changes=changes)
    assert grades(incident) == {("shop", "r42"): "shown", ("shop", "r41"): "too late"}
    assert incident.onset.ended.first <= minute(80) <= incident.onset.ended.last
    assert incident.undo == ""


def test_a_release_of_long_before_with_an_outage_later_does_not_fit():
    traffic = Traffic.quiet(weights={-300: (0.0, 1.0)}).fail(60, 8)
    incident = asked(store_of(traffic), changes=[change(-300)])
    assert incident.answer == "no change of ours explains it"
    assert grades(incident) == {("shop", "r42"): "elsewhere"}


def test_a_foreign_change_in_time_fits():
    traffic = Traffic.quiet(per_minute=2000).fail(60, 8)
    flag = change(59.8, "", kind="flag", why="new-cart on", source="flags.jsonl", number=None)
    incident = asked(store_of(traffic), changes=[flag])
    assert incident.answer == "a change fits"
    assert "flag new-cart on fits" in incident.sentence


@pytest.mark.parametrize("seed", range(5))
def test_without_a_fault_nothing_is_shown(seed):
    incident = asked(store_of(Traffic.quiet(weights={60: (0.9, 0.1)}), seed=seed), changes=[change(60)])
    assert incident.answer == "nothing shown"
    assert incident.onset is None
    assert incident.suspects == ()
    assert "a rise to 2x would have been seen within" in incident.sentence


def test_without_any_change_a_fault_is_found_in_its_place():
    incident = asked(store_of(Traffic.quiet(per_minute=2000).fail(60, 6, "GET /cart", "b")))
    assert incident.answer == "no change of ours explains it"
    assert place(incident) == (None, "GET /cart", None, "b")
    assert ("host", "a") in {(one.dimension, one.name) for one in incident.unaffected if one.shown}


def test_two_faults_are_both_named():
    traffic = Traffic.quiet(per_minute=2000).fail(60, 10, "POST /checkout").fail(60, 10, "GET /search", "c")
    found = asked(store_of(traffic)).places.found
    assert {(one.action, one.host) for one in found} == {("POST /checkout", None), ("GET /search", "c")}
    assert "; confirmed on windows" in found[1].reason
    assert "confirmed" not in found[0].reason


def test_a_host_without_requests_is_a_finding():
    incident = asked(store_of(Traffic.quiet().vanish(90, "b")))
    assert incident.answer == "cannot tell"
    assert any("host b has hardly any requests since 13:30" in finding for finding in incident.findings)


def test_a_canary_beside_an_outage_of_two_windows_does_not_fit_yet():
    traffic = Traffic.quiet(weights={115: (0.5, 0.5)}, per_minute=3000).fail(118, 40, "POST /checkout")
    incident = asked(store_of(traffic), changes=[change(117)])
    assert incident.onset.best == minute(118)
    assert incident.answer == "cannot tell"
    (suspect,) = incident.suspects
    assert suspect.grade == "cannot tell"
    assert suspect.reason.startswith("both served")


def test_hosts_of_a_revision_that_was_replaced_are_no_finding():
    traffic = Traffic.quiet(weights={60: (0.0, 1.0)})
    traffic.n[:, 0, :, 2] = 0
    traffic.n[:, 1, :, :2] = 0
    store, switch = store_of(traffic), replace(change(60), shares={"r41": 0.0, "r42": 1.0})
    said = "host a has hardly any requests since 13:00"
    assert not any("hardly any" in finding for finding in asked(store, changes=[switch]).findings)
    # without a change that took their traffic they are
    assert any(said in finding for finding in asked(store).findings)


def test_no_lines_is_not_no_errors():
    incident = asked(store_of(Traffic.quiet().vanish(90)))
    assert incident.answer == "cannot tell"
    assert "no lines is not no errors" in incident.sentence


def test_a_silence_up_to_now_belongs_to_the_range():
    rows = Traffic.quiet().vanish(90)
    incident = investigate(store_of(rows), "shop", now=END).incident
    assert incident.end == END - timedelta(minutes=1)
    assert any("hardly any lines" in finding for finding in incident.findings)


def test_the_last_windows_are_left_out_while_their_lines_may_be_late():
    incident = investigate(store_of(Traffic.quiet()), "shop", now=END + timedelta(seconds=30)).incident
    assert incident.end == END - timedelta(minutes=1)


def test_lines_in_the_future_are_a_finding():
    store = store_of(Traffic.quiet())
    for now in (START + timedelta(minutes=30), START - timedelta(days=400)):
        incident = investigate(store, "shop", now=now).incident
        assert any("in the future" in finding for finding in incident.findings)
    punctual = investigate(store, "shop", now=END).incident
    assert not any("in the future" in finding for finding in punctual.findings)


def test_an_earlier_incident_of_a_small_place_does_not_hide_the_next_one():
    traffic = Traffic.quiet(per_minute=2000)
    for earlier in (300, 700):
        part = slice(traffic.history - earlier, traffic.history - earlier + 25)
        traffic.share[:, part, :, 2, 0] *= 60
    incident = asked(store_of(traffic.fail(60, 6, "POST /checkout", "a")))
    assert place(incident) == (None, "POST /checkout", None, "a")


def test_a_shift_of_traffic_is_no_place():
    traffic = Traffic.quiet()
    traffic.share[:, :, :, 1] = 0.1
    traffic.n[traffic.where(60, "GET /cart")] *= 4
    incident = asked(store_of(traffic))
    assert incident.places.found == ()
    assert incident.places.mix > 0.8 * (incident.places.bad - incident.places.expected)
    assert "shift of traffic" in incident.sentence
    assert any("as many requests" in finding for finding in incident.findings)


def test_without_a_history_nothing_is_known():
    incident = asked(store_of(Traffic.quiet(history=0).fail(60, 8)))
    assert incident.answer == "cannot tell"
    assert any("no history" in finding for finding in incident.findings)


def test_a_short_history_is_a_finding():
    incident = asked(store_of(Traffic.quiet(history=5).fail(60, 20)))
    assert any("of history" in finding for finding in incident.findings)


def test_a_history_that_holds_an_incident_does_not_hide_this_one():
    traffic = Traffic.quiet()
    traffic.share[:, traffic.history - 500 : traffic.history - 300] *= 10
    incident = asked(store_of(traffic.fail(60, 8)))
    assert incident.onset.started.first <= minute(60) <= incident.onset.started.last
    assert any("were left out" in finding for finding in incident.findings)


def test_an_incident_from_before_the_range_is_dated_at_its_beginning():
    traffic = Traffic.quiet()
    traffic.share[:, traffic.history - 60 :] *= 10
    incident = asked(store_of(traffic))
    assert incident.onset.started.first == START
    assert any("before the range" in finding for finding in incident.findings)


def test_services_that_rise_together_are_named_and_the_others_may_be_left_alone():
    incident = asked(store_of(Traffic.quiet().fail(60, 8), Traffic.quiet("pay").fail(61, 8), Traffic.quiet("mail")))
    assert "2 of 3 services (pay)" in incident.sentence
    (other,) = (one for one in incident.unaffected if one.dimension == "service")
    assert (other.name, other.shown) == ("mail", True)
    assert 0.5 < other.ratio_high < 1.5
    assert 30_000 < other.requests < 42_000


def test_the_start_of_old_data_without_a_rise_has_its_date():
    store = store_of(Traffic.quiet())
    old = investigate(store, "shop", now=END + timedelta(days=3)).incident
    new = investigate(store, "shop", now=END + timedelta(seconds=30)).incident
    assert old.answer == new.answer == "nothing shown"
    assert f"is shown since {old.start:%Y-%m-%d %H:%M};" in old.sentence
    assert f"is shown since {new.start:%H:%M};" in new.sentence


def test_a_new_action_is_compared_with_similar_traffic():
    traffic = Traffic.quiet()
    traffic.n[: traffic.history + 60, :, 2] = 0
    incident = asked(store_of(traffic.fail(60, 20, "POST /checkout")))
    assert place(incident)[1] == "POST /checkout"
    assert incident.places.found[0].ratio < 100
    assert any("new action without a history: POST /checkout" in finding for finding in incident.findings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("outcome", "slower", "expected"),
    [
        ("p95", lambda at, action, host, _: np.where((at >= 60) & (action == "GET /cart") & (host == "b"), 3.0, 1.0), ("GET /cart", "b")),
        ("p95", lambda at, *_: np.where(at >= 60, 1.8, 1.0), (None, None)),
        ("p99", lambda at, action, host, took: np.where((at >= 60) & (took > 200), 3.0, 1.0), (None, None)),
    ],
    ids=["a slow action on one host", "a dependency slows everything", "only the tail"],
)  # fmt: skip
def test_slow_requests_are_dated_and_found(outcome, slower, expected):
    traffic = Traffic.quiet(per_minute=200)
    store = MemoryStore.of(slow_rows(np.random.default_rng(4), traffic, slower))
    incident = asked(store, outcome)
    assert incident.onset.started.first <= minute(60) <= incident.onset.started.last
    assert place(incident) == (None, expected[0], None, expected[1])


def test_the_parts_add_up_exactly():
    traffic = Traffic.quiet().fail(60, 10, "POST /checkout").fail(60, 6, "GET /search", "c")
    places = asked(store_of(traffic)).places
    told = sum(place.part for place in places.found) * (places.bad - places.expected)
    assert places.expected + places.mix + told + places.rest == pytest.approx(places.bad, abs=1e-9 * places.bad)


def test_hostile_names_are_only_text():
    traffic = Traffic.quiet(revisions=("r41", "r42'; DROP TABLE rollups; --"), weights={60: (0.8, 0.2)})
    traffic.actions = ("GET /\x1b[31m", "<script>alert(1)</script>", "POST /\n\n../..", '" OR 1=1')
    traffic.fail(60, 30, traffic.revisions[1])
    incident = asked(store_of(traffic), changes=[change(60, traffic.revisions[1])])
    assert incident.answer == "a release of ours"
    assert incident.sentence.isprintable()
    assert incident.undo == "pratique rollback shop"


@pytest.mark.slow
def test_a_policy_with_a_fixed_dispersion_is_used():
    traffic = Traffic.quiet(weights={60: (0.9, 0.1)}).fail(60, 40, "r42")
    incident = asked(store_of(traffic), policy=Policy(dispersion=1.0), changes=[change(60)])
    assert incident.answer == "a release of ours"


def test_the_store_is_asked_twice():
    store = store_of(Traffic.quiet(weights={60: (0.9, 0.1)}).fail(60, 40, "r42"))
    asked(store, changes=[change(60)])
    assert len(store.counted) == 2


def test_the_figures_get_one_array_for_each_place_and_suspect():
    traffic = Traffic.quiet(weights={60: (0.9, 0.1)}).fail(60, 40, "r42")
    found = investigate(store_of(traffic), "shop", start=START, end=END, changes=[change(60)])
    measures, incident = found.measures, found.incident
    assert len(measures.times) == MINUTES
    assert len(measures.places) == len(incident.places.found)
    assert len(measures.suspects) == len(incident.suspects)
    arms = measures.suspects[0].arms
    assert arms.n.shape == arms.bad.shape == (2, MINUTES)
    assert not arms.n[:, :60].any()
    assert arms.n[:, 61:].min() > 0
    assert arms.log_e.shape == (MINUTES,)
    assert measures.service.expected[:60].sum() == pytest.approx(60 * 600 * USUAL, rel=0.1)


@pytest.mark.slow
def test_an_answer_is_plain_json():
    traffic = Traffic.quiet(weights={60: (0.9, 0.1)}).fail(60, 40, "r42")
    content = asked(store_of(traffic), changes=[change(60)]).to_json()
    assert content["onset"]["started"]["first"].startswith("2026-11-20T13:00:00")
    assert content["suspects"][0]["change"]["revision"] == "r42"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"outcome": "6xx"}, "outcome '6xx' is not known"),
        ({"alpha": 0.0}, "alpha must be above 0"),
        ({"end": START}, "is empty: give a start before the end"),
        ({"before": START}, "the history would begin at 2026-11-20 12:00, and the range at 2026-11-20 12:00"),
        ({"start": datetime(1, 1, 1, tzinfo=UTC)}, "is not a time of requests"),
        ({"end": datetime(9999, 1, 1, tzinfo=UTC)}, "is not a time of requests"),
    ],
)
def test_wrong_questions_are_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        asked(store_of(Traffic.quiet(history=60)), **wrong)


def test_an_unknown_service_is_refused():
    with pytest.raises(MissingError, match="nope"):
        investigate(store_of(Traffic.quiet(history=60)), "nope")


def test_a_range_without_requests_cannot_tell():
    incident = asked(store_of(Traffic.quiet().vanish(0)))
    assert incident.answer == "cannot tell"
    assert "no lines is not no errors" in incident.findings[0]


@pytest.mark.slow
def test_an_end_in_the_future_is_that_of_the_complete_windows():
    store = store_of(Traffic.quiet(weights={60: (0.9, 0.1)}).fail(60, 40, "r42"))
    incident = asked(store, end=END + timedelta(days=365), now=END + timedelta(seconds=60), changes=[change(60)])
    assert incident.end == END
    assert grades(incident) == {("shop", "r42"): "shown"}


def test_old_data_say_so():
    store = store_of(Traffic.quiet())
    fresh = investigate(store, "shop", now=END + timedelta(minutes=5)).incident
    old = investigate(store, "shop", now=END + timedelta(hours=5)).incident
    assert not any("the last lines are of" in finding for finding in fresh.findings)
    assert f"the last lines are of {END:%Y-%m-%d %H:%M} UTC: no lines is not no errors" in old.findings[0]


def test_a_range_that_begins_within_a_window_has_no_gaps():
    incident = asked(store_of(Traffic.quiet()), start=START + timedelta(seconds=30))
    assert not any("have no requests" in finding for finding in incident.findings)


def test_neither_requests_in_the_range_nor_before_it_cannot_tell():
    store = store_of(Traffic.quiet(history=60))
    incident = asked(store, start=END + timedelta(days=5), end=END + timedelta(days=6), now=END + timedelta(days=9))
    assert incident.answer == "cannot tell"


def test_of_very_many_changes_the_most_suspected_are_listed():
    flags = [change(minute, f"flag{minute}", kind="flag") for minute in np.linspace(-300, 119, 1300)]
    traffic = Traffic.quiet(weights={60: (0.9, 0.1)}).fail(60, 40, "r42")
    found = investigate(store_of(traffic), "shop", start=START, end=END, changes=[*flags, change(60)])
    grades = [suspect.grade for suspect in found.incident.suspects]
    assert (grades[0], found.incident.suspects[0].change.revision) == ("shown", "r42")
    assert (len(grades), len(found.measures.suspects), len(found.changes)) == (200, 200, 1000)
    assert any("further changes were graded" in finding for finding in found.incident.findings)
    assert {id(suspect.change) for suspect in found.incident.suspects} <= set(map(id, found.changes))
