"""Texts say what, where, since when, the last lines, what to run next and where the report is, and always fit."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from pratique.notify import Event
from pratique.notify.text import LONGEST_BODY, LONGEST_TITLE, MAYBE_AGAIN, message_of

SINCE = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)


def event(number=0, **changes):
    known = {
        "kind": "job.failed",
        "subject": f"job@n{number}",
        "key": "k",
        "risk": "high",
        "what": f"job n{number} failed with status 3",
        "where": "web1",
        "since": SINCE,
        "last_lines": ["one", "two"],
        "command": f"pratique job n{number}",
        "report": "/reports/n.html",
    }
    return Event(**(known | changes))


def test_one_event_is_reported_in_full():
    message = message_of([event()])
    assert message.title == "[high] job@n0: job n0 failed with status 3"
    assert message.body.splitlines() == [
        "job n0 failed with status 3",
        "What: job.failed of job@n0, risk high",
        "Where: web1",
        "Since: 2026-11-20T14:05:00Z",
        "Next: pratique job n0",
        "Report: /reports/n.html",
        "Last lines:",
        "  one",
        "  two",
    ]


def test_unknown_parts_are_left_out():
    bare = Event("release.promoted", "shop", "k", "low", "r2 has all of the traffic")
    assert message_of([bare]).body == "r2 has all of the traffic\nWhat: release.promoted of shop, risk low"


def test_a_message_that_may_have_come_before_says_so():
    for events in ([event()], [event(0), event(1)], [event(number) for number in range(1000)]):
        assert MAYBE_AGAIN in message_of(events, again=True).body
        assert MAYBE_AGAIN not in message_of(events).body


def test_a_few_events_are_reported_in_full_and_the_worst_comes_first():
    message = message_of([event(0), event(1, risk="critical", kind="job.missed")])
    assert message.title == "[critical] 2 notifications: 1 job.missed, 1 job.failed"
    assert message.risk == "critical"
    assert message.body.index("job n1") < message.body.index("job n0")
    assert message.body.count("Last lines:") == 2


def test_a_thousand_events_are_one_text_with_a_count():
    message = message_of([event(number) for number in range(1000)])
    assert len(message.body) <= LONGEST_BODY
    rows = [line for line in message.body.splitlines() if line.startswith("- ")]
    assert rows[0].endswith("on web1 since 2026-11-20T14:05:00Z; next: pratique job n0; report: /reports/n.html")
    assert message.body.splitlines()[-1] == f"and {1000 - len(rows)} more: {1000 - len(rows)} job.failed"


@given(st.lists(st.integers(0, 500), min_size=1, max_size=150), st.integers(200, 4000), st.booleans())
def test_every_text_fits(lengths, longest, again):
    events = [event(number, what="w" * length, last_lines=["l" * length] * 10) for number, length in enumerate(lengths)]
    message = message_of(events, again=again, longest=longest)
    assert len(message.body) <= longest
    assert len(message.title) <= LONGEST_TITLE
