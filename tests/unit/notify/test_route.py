"""Which events go to a route, and when its quiet hours end."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.config.notify import KINDS, NotifySettings
from pratique.notify import Event
from pratique.notify.event import RISKS
from pratique.notify.route import quiet_until, wants


def route(**keys):
    return NotifySettings(to="env:HOOK", **keys)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("events", "least", "kind", "risk", "goes"),
    [
        (["*"], "low", "job.failed", "low", True),
        (["job.*"], "low", "release.promoted", "critical", False),
        (["job.*", "release.rolled back"], "high", "release.rolled_back", "high", True),
        (["job.*", "release.rolled back"], "high", "job.late", "medium", False),
        (["job.*"], "medium", "job.late", "critical", True),
    ],
)
def test_kind_and_risk_decide(events, least, kind, risk, goes):
    assert wants(route(events=events, least=least), Event(kind, "s", "k", risk, "what")) is goes


@given(st.sampled_from(KINDS), st.sampled_from(RISKS), st.sampled_from(RISKS))
def test_the_least_risk_and_all_above_it_go(kind, least, risk):
    event = Event(kind, "s", "k", risk, "what")
    assert wants(route(least=least), event) is (RISKS.index(risk) >= RISKS.index(least))


@pytest.mark.parametrize(
    ("quiet", "zone", "now", "until"),
    [
        ("22:00-06:00", "UTC", "2026-11-20T21:59:59", None),
        ("22:00-06:00", "UTC", "2026-11-20T22:00:00", "2026-11-21T06:00:00"),
        ("22:00-06:00", "UTC", "2026-11-21T05:59:00", "2026-11-21T06:00:00"),
        ("22:00-06:00", "UTC", "2026-11-21T06:00:00", None),
        ("12:00-13:00", "UTC", "2026-11-21T12:30:00", "2026-11-21T13:00:00"),
        ("22:00-06:00", "Europe/Vienna", "2026-11-20T21:00:00", "2026-11-21T05:00:00"),
        ("22:00-06:00", "Asia/Kolkata", "2026-11-20T16:30:00", "2026-11-21T00:30:00"),
        # the clock goes back at 03:00 in Vienna, to 02:00, and forward at 02:00, to 03:00
        ("01:00-02:30", "Europe/Vienna", "2026-10-25T00:10:00", "2026-10-25T01:30:00"),
        ("01:00-02:30", "Europe/Vienna", "2026-03-29T00:30:00", "2026-03-29T01:30:00"),
        ("22:00-06:00", "Europe/Vienna", "2026-10-24T21:00:00", "2026-10-25T05:00:00"),
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall(quiet, zone, now, until):
    assert quiet_until(route(quiet=quiet, timezone=zone), at(now)) == (at(until) if until else None)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    st.sampled_from(["22:00-06:00", "01:00-02:30", "00:00-23:59", "09:00-17:00"]),
    st.sampled_from(["UTC", "Europe/Vienna", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe"]),
)
def test_quiet_hours_always_end_within_a_day_and_an_hour(now, quiet, zone):
    until = quiet_until(route(quiet=quiet, timezone=zone), now)
    assert until is None or timedelta(0) < until - now <= timedelta(hours=25)
