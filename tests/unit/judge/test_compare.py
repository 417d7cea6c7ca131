"""A comparison of a store whose windows have several lengths: judged is what lies wholly in the range."""

import random
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from pratique.errors import MissingError
from pratique.figures.series import request_series
from pratique.judge.compare import compare
from pratique.store import open_store
from pratique.telemetry.rollups import Rollups

OLD = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
NEW = datetime(2026, 5, 4, 10, 20, tzinfo=UTC)
MINUTE_S = 60


def at(moment, second):
    return moment + timedelta(seconds=second)


def events_of(start, *, share=1 / 3, seconds=MINUTE_S, rate=50, source="a", only=None):
    """Requests at a constant rate, as (time, revision)."""
    draw = random.Random(start.timestamp())
    times = [start + timedelta(seconds=number / rate) for number in range(seconds * rate)]
    return [(time, only or ("r2" if draw.random() < share else "r1"), source) for time in times]


def rolled(events, window_s):
    return Rollups.from_events(
        pa.table(
            {
                "time_ms": pa.array([round(time.timestamp() * 1000) for time, *_ in events], pa.int64()),
                "service": ["shop"] * len(events),
                "revision": [revision for _, revision, _ in events],
                "action": ["GET /"] * len(events),
                "host": ["h1"] * len(events),
                "source": [source for *_, source in events],
                "code": pa.array([200] * len(events), pa.int16()),
                "duration_ms": [10.0] * len(events),
            }
        ),
        window_s=window_s,
    )


def requests(events, start, end):
    inside = [revision for time, revision, _ in events if start <= time < end]
    return {revision: inside.count(revision) for revision in ("r1", "r2")}


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "store"))


def stored(store, *parts):
    for events, window_s in parts:
        store.write(rolled(events, window_s))
    return [event for events, _ in parts for event in events]


@pytest.mark.parametrize("history_s", [1, 2, 7, 10, 60])
@pytest.mark.slow
def test_windows_of_another_length_in_the_history_do_not_change_the_windows_judged(store, history_s):
    judged = events_of(NEW)
    stored(store, (events_of(OLD), history_s), (judged, 2))
    verdict = compare(store, "shop", "r1", "r2", start=at(NEW, 24), end=at(NEW, 52))
    assert (verdict.start, verdict.end, verdict.window_s) == (at(NEW, 24), at(NEW, 52), 2)
    assert verdict.requests == requests(judged, at(NEW, 24), at(NEW, 52))


@pytest.mark.parametrize(
    ("lengths", "asked", "joined"),
    [
        ((2, 2), (24.5, 51.0), 2),
        ((10, 2), (0, 52), 10),
        ((10, 2), (5, 53), 10),
        ((2, 10), (3, 58), 10),
        ((10, 4), (0, 60), 20),
        ((7, 10), (0, 60), 70),
    ],
)
@pytest.mark.slow
def test_a_range_is_judged_by_the_windows_that_lie_wholly_in_it(store, lengths, asked, joined):
    """The first half of the minute has windows of one length, the second half of another."""
    halves = events_of(NEW, seconds=28), events_of(at(NEW, 30), seconds=30)
    events = stored(store, *zip(halves, lengths, strict=True))
    start, end = at(NEW, asked[0]), at(NEW, asked[1])
    verdict = compare(store, "shop", "r1", "r2", start=start, end=end)
    assert start <= verdict.start <= verdict.end <= end
    assert verdict.window_s == joined
    assert verdict.requests == requests([event for event in events if whole(event, lengths, start, end)], start, end)
    series = request_series(
        store.read("shop", ["r1", "r2"], verdict.start, verdict.end), "r1", "r2", verdict.start, verdict.end
    )
    assert {revision: series.total(revision) for revision in ("r1", "r2")} == verdict.requests


def whole(event, lengths, start, end):
    """Whether the window of an event lies in the range, by the length of its half."""
    length = lengths[event[0] >= at(NEW, 30)]
    window = event[0].timestamp() // length * length
    return start.timestamp() <= window and window + length <= end.timestamp()


@pytest.mark.slow
def test_a_window_longer_than_those_judged_by_is_never_compared_with_a_weight_of_a_part_of_it(store):
    """A row of 10 s across a change of the weight holds both shares: the smaller windows around it do not."""
    before, after = events_of(NEW, share=0.1, seconds=25, rate=200), events_of(at(NEW, 25), share=0.5, rate=200)
    stored(store, (before + [event for event in after if event[0] < at(NEW, 30)], 10))
    stored(store, ([event for event in after if event[0] >= at(NEW, 30)], 2))
    weights = [(NEW, {"r1": 0.9, "r2": 0.1}), (at(NEW, 25), {"r1": 0.5, "r2": 0.5})]
    verdict = compare(store, "shop", "r1", "r2", start=NEW, weights=weights)
    assert [finding.kind for finding in verdict.findings] == ["no history"]


def test_the_default_start_is_the_joined_window_of_the_first_canary_request(store):
    baseline = events_of(OLD, only="r1", seconds=60)
    canary = events_of(at(OLD, 26), only="r2", source="b", seconds=34)
    stored(store, (baseline, 10), (canary, 2))
    verdict = compare(store, "shop", "r1", "r2")
    assert (verdict.start, verdict.window_s) == (at(OLD, 20), 10)
    assert verdict.requests == {"r1": 40 * 50, "r2": 34 * 50}


def test_a_range_without_a_whole_window_is_refused(store):
    stored(store, (events_of(NEW), 10))
    with pytest.raises(MissingError, match="windows last 10 s"):
        compare(store, "shop", "r1", "r2", start=at(NEW, 11), end=at(NEW, 29))
