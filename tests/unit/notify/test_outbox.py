"""The outbox: each event is reported once, when it may be, also after a route has failed or a process has died. The clock is set."""

import sqlite3
import stat
from datetime import UTC, datetime, timedelta

import pytest

from pratique.config.notify import NotifySettings
from pratique.errors import DataError
from pratique.notify import Event, outbox_rows
from pratique.notify.outbox import BACK_OFF_S, CRITICAL_GROUP_S, REPORTED_AFTER, Outbox

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OPS, CHAT = NotifySettings(to="env:OPS", name="ops"), NotifySettings(to="env:CHAT", name="chat")


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path / "notifications.sqlite")


def event(number=0, **changes):
    known = {"kind": "job.failed", "subject": "job@n", "key": str(number), "risk": "high", "what": f"failed {number}"}
    return Event(**(known | changes))


def later(seconds):
    return NOON + timedelta(seconds=seconds)


def reported(batches):
    return {batch.route.route: [found.what for found in batch.events] for batch in batches}


def state(outbox, name="ops"):
    return next(found for found in outbox.states() if found.settings.route == name)


def test_reading_makes_no_file(outbox):
    assert outbox.next_due(NOON) is None
    assert outbox.states() == []
    assert not outbox.path.exists()


def test_the_file_is_private(outbox):
    outbox.put(event(), [OPS], NOON)
    assert {stat.S_IMODE(path.stat().st_mode) for path in outbox.path.parent.iterdir()} == {0o600}


def test_an_event_goes_to_each_route_that_wants_it(outbox):
    jobs = NotifySettings(to="env:JOBS", name="jobs", events=("job.missed",))
    assert outbox.put(event(), [OPS, CHAT, jobs], NOON)
    assert reported(outbox.take(NOON)) == {"ops": ["failed 0"], "chat": ["failed 0"]}


def test_one_state_is_reported_once(outbox):
    assert outbox.put(event(), [OPS], NOON)
    assert not outbox.put(event(what="again"), [OPS], NOON)
    outbox.delivered(outbox.take(NOON)[0], NOON)
    assert not outbox.put(event(), [OPS], later(3600))
    assert outbox.take(later(7200)) == []
    assert outbox.put(event(1), [OPS], later(3600))


def test_an_event_that_is_being_sent_is_not_taken_twice(outbox):
    outbox.put(event(), [OPS], NOON)
    assert len(outbox.take(NOON)) == 1
    assert outbox.take(NOON) == []


def test_events_between_two_messages_comes_as_one(outbox):
    outbox.put(event(0), [OPS], NOON)
    outbox.delivered(outbox.take(NOON)[0], NOON)
    for number in range(1, 50):
        outbox.put(event(number), [OPS], later(1))
    assert outbox.take(later(29)) == []
    assert outbox.next_due(later(1)) == later(OPS.group_s)
    (batch,) = outbox.take(later(30))
    assert len(batch.events) == 49


def test_critical_events_wait_less(outbox):
    outbox.put(event(0), [OPS], NOON)
    outbox.delivered(outbox.take(NOON)[0], NOON)
    outbox.put(event(1, risk="critical"), [OPS], later(1))
    assert outbox.next_due(later(1)) == later(CRITICAL_GROUP_S)
    assert reported(outbox.take(later(CRITICAL_GROUP_S))) == {"ops": ["failed 1"]}


def test_quiet_hours_hold_all_but_critical_events(outbox):
    night = NotifySettings(to="env:OPS", name="ops", quiet="11:00-13:00")
    outbox.put(event(0), [night], NOON)
    assert outbox.take(NOON) == []
    assert outbox.next_due(NOON) == later(3600)
    outbox.put(event(1, risk="critical"), [night], NOON)
    (batch,) = outbox.take(NOON)
    assert reported([batch]) == {"ops": ["failed 1"]}
    outbox.delivered(batch, NOON)
    assert reported(outbox.take(later(3600))) == {"ops": ["failed 0"]}


def test_an_event_that_waited_for_a_retry_stays_quiet_too(outbox):
    night = NotifySettings(to="env:OPS", name="ops", quiet="12:01-13:00")
    outbox.put(event(), [night], NOON)
    outbox.failed(outbox.take(NOON)[0], "500", NOON, unknown=False)
    assert outbox.take(later(90)) == []
    assert outbox.next_due(NOON) == later(3600)


@pytest.mark.slow
def test_back_off_grows_and_ends_after_a_day(outbox):
    outbox.put(event(), [OPS], NOON)
    now, waits = NOON, []
    while batches := outbox.take(now):
        given_up = outbox.failed(batches[0], "500", now, unknown=False)
        if given_up:
            break
        due = outbox.next_due(now)
        assert outbox.take(due - timedelta(seconds=1)) == []
        waits.append((due - now).total_seconds())
        now = due
    assert waits[: len(BACK_OFF_S)] == list(BACK_OFF_S)
    assert set(waits[len(BACK_OFF_S) :]) == {BACK_OFF_S[-1]}
    assert timedelta(hours=24) <= now - NOON < timedelta(hours=25)
    assert outbox.next_due(NOON) is None
    assert (state(outbox).waiting, state(outbox).given_up) == (0, 1)


def test_a_day_counts_from_the_first_attempt(outbox):
    night = NotifySettings(to="env:OPS", name="ops", quiet="11:00-10:00")
    outbox.put(event(), [night], NOON)
    due = outbox.next_due(NOON)
    assert due == later(22 * 3600)
    outbox.failed(outbox.take(due)[0], "500", due, unknown=False)
    assert state(outbox).waiting == 1


def test_a_failing_route_is_reported_to_the_others_once_and_so_is_its_end(outbox):
    narrow = NotifySettings(to="env:CHAT", name="chat", events=("job.missed",), least="critical")
    outbox.put(event(kind="job.missed", risk="critical"), [OPS, narrow], NOON)
    batches = {batch.route.route: batch for batch in outbox.take(NOON)}
    outbox.delivered(batches["chat"], NOON)
    now, failing = NOON, batches["ops"]
    for _ in range(REPORTED_AFTER + 2):
        outbox.failed(failing, "HTTP 500", now, unknown=False)
        now += timedelta(minutes=3)
        found = {batch.route.route: batch for batch in outbox.take(now)}
        failing = found["ops"]
        if "chat" in found:
            outbox.delivered(found["chat"], now)
            heard = found["chat"].events
    assert [(one.kind, one.what, one.since) for one in heard] == [
        ("notify.failing", "notifications to 'ops' fail: HTTP 500", NOON)
    ]
    assert heard[0].command == "pratique notify --test"
    outbox.delivered(failing, now)
    (batch,) = outbox.take(now + timedelta(minutes=1))
    assert (batch.route.route, [one.kind for one in batch.events]) == ("chat", ["notify.recovered"])


def test_a_death_while_sending_leads_to_one_more_attempt_that_says_so(outbox):
    outbox.put(event(), [OPS], NOON)
    assert not outbox.take(NOON)[0].again
    outbox.recover(NOON)
    (batch,) = outbox.take(NOON)
    assert batch.again
    outbox.recover(NOON)
    assert outbox.take(NOON) == []
    assert state(outbox).given_up == 1


def test_a_receiver_that_did_not_answer_gets_it_again_with_a_note(outbox):
    outbox.put(event(0), [OPS], NOON)
    outbox.failed(outbox.take(NOON)[0], "no answer", NOON, unknown=True)
    assert outbox.take(later(5))[0].again


def test_a_removed_route_gives_up_what_waits_for_it(outbox):
    outbox.put(event(), [OPS, CHAT], NOON)
    outbox.use([CHAT], NOON)
    assert [found.settings.route for found in outbox.states()] == ["chat"]
    assert list(reported(outbox.take(NOON))) == ["chat"]
    outbox.use([], NOON)
    assert outbox.next_due(NOON) is None


def test_a_changed_address_counts_for_what_waits(outbox):
    outbox.put(event(), [OPS], NOON)
    outbox.use([NotifySettings(to="env:OTHER", name="ops")], NOON)
    assert outbox.take(NOON)[0].route.to == "env:OTHER"


def test_too_many_waiting_events_are_counted_and_not_kept_for_sending(outbox, monkeypatch):
    assert outbox_rows.MOST_WAITING > 1000
    monkeypatch.setattr(outbox_rows, "MOST_WAITING", 3)
    for number in range(5):
        outbox.put(event(number), [OPS], NOON)
    assert (state(outbox).waiting, state(outbox).given_up) == (3, 2)


def test_a_reported_event_is_forgotten_after_a_time(outbox):
    outbox.put(event(0), [OPS], NOON)
    outbox.delivered(outbox.take(NOON)[0], NOON)
    year = NOON + timedelta(days=401)
    outbox.put(event(1), [OPS], year)
    outbox.delivered(outbox.take(year)[0], year)
    assert state(outbox).sent == 1
    assert outbox.put(event(0), [OPS], year)


def test_a_damaged_file_is_reported_in_one_line(outbox):
    outbox.path.write_text("text\n" * 1000)
    with pytest.raises(DataError, match=r"notifications .* is damaged: file is not a database"):
        outbox.put(event(), [OPS], NOON)


@pytest.mark.parametrize("quiet", ["", "08:00-13:00"])
def test_nothing_waits_for_a_time_that_was_written_before_the_clock_was_set_back(outbox, quiet):
    ahead = NOON + timedelta(days=365)
    ops = NotifySettings(to="env:OPS", name="ops", quiet=quiet)
    outbox.put(event(0), [ops], ahead - timedelta(days=1, hours=6))
    outbox.delivered(outbox.take(ahead - timedelta(days=1, hours=6))[0], ahead + timedelta(hours=6))
    outbox.put(event(1), [ops], ahead)
    assert outbox.next_due(NOON) == NOON
    assert outbox.take(NOON) == []  # the pause between two messages, or quiet hours
    due = outbox.next_due(NOON)
    assert NOON < due <= NOON + timedelta(hours=1)
    assert reported(outbox.take(due)) == {"ops": ["failed 1"]}


def test_a_clock_that_is_far_ahead_takes_away_nothing_that_waits(outbox):
    outbox.put(event(0), [OPS, CHAT], NOON)
    ahead = NOON + timedelta(days=3650)
    batches = {batch.route.route: batch for batch in outbox.take(NOON)}
    outbox.failed(batches["chat"], "HTTP 500", NOON, unknown=False)
    outbox.delivered(batches["ops"], ahead)
    assert state(outbox, "chat").waiting == 1
    assert list(reported(outbox.take(later(3600)))) == ["chat"]


def test_a_route_of_another_version_stops_no_other_and_is_used_again_once_it_is_known(outbox):
    outbox.put(event(), [OPS, CHAT], NOON)
    with sqlite3.connect(outbox.path) as connection:
        connection.execute("UPDATE routes SET settings = '{\"of\": \"later\"}' WHERE name = 'ops'")
    assert [found.settings.route for found in outbox.states()] == ["chat"]
    batches = outbox.take(NOON)
    assert list(reported(batches)) == ["chat"]
    outbox.delivered(batches[0], NOON)
    assert outbox.next_due(NOON) is None
    outbox.put(event(1), [OPS, CHAT], NOON)
    assert reported(outbox.take(NOON)) == {"ops": ["failed 0", "failed 1"]}
