"""Events: one line for each text, bounded, without secrets, and the same after they were kept."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.notify import Event
from pratique.notify.event import LINES, LONGEST_FIELD, LONGEST_LINE

TEXT = st.text(max_size=20) | st.text(max_size=3).map(lambda text: text * 300)
EVENTS = st.builds(
    Event,
    kind=TEXT,
    subject=TEXT,
    key=TEXT,
    risk=st.sampled_from(["low", "medium", "high", "critical", "absurd"]),
    what=TEXT,
    where=TEXT,
    since=st.none() | st.datetimes(datetime(2020, 1, 1), timezones=st.just(timezone(timedelta(hours=2)))),
    last_lines=st.lists(TEXT, max_size=15),
    command=TEXT,
    report=TEXT,
)


@pytest.mark.slow
@settings(max_examples=30)
@given(EVENTS)
def test_a_safe_event_is_bounded_printable_and_survives_being_kept(event):
    safe = event.safe()
    texts = [safe.kind, safe.subject, safe.key, safe.what, safe.where, safe.command, safe.report, *safe.last_lines]
    assert all(text.isprintable() for text in texts)
    assert max(map(len, texts)) <= LONGEST_FIELD
    assert len(safe.last_lines) <= LINES
    assert max(map(len, safe.last_lines), default=0) <= LONGEST_LINE
    assert Event.from_json(safe.to_json()) == safe


def test_secrets_are_masked_in_every_field():
    secret = "https://ann:geheim@host/?token=geheim password=geheim AKIAGEHEIMGEHEIM1"
    event = Event(secret, secret, secret, "high", secret, secret, None, [secret], secret, secret).safe()
    assert "geheim" not in event.to_json().lower()


def test_a_secret_at_the_end_of_a_long_text_is_masked_before_the_cut():
    text = "x" * (LONGEST_FIELD - 12) + " password=geheimnis"
    assert "geheim" not in Event("k", "s", "k", "low", text).safe().what


def test_the_last_lines_are_the_last():
    event = Event("k", "s", "k", "low", "w", last_lines=[str(number) for number in range(100)]).safe()
    assert event.last_lines == tuple(str(number) for number in range(90, 100))


def test_times_are_utc():
    since = datetime(2026, 11, 20, 14, tzinfo=timezone(timedelta(hours=1)))
    assert Event("k", "s", "k", "low", "w", since=since).safe().since == datetime(2026, 11, 20, 13, tzinfo=UTC)
