"""Counters in points: restarts, points that were missed, late starts, values that are written only when they change."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.config import PointMapping
from pratique.store.points.answer import Series
from pratique.store.points.counters import CounterSamples, continued
from pratique.store.points.tag_reader import TagReader
from pratique.store.scraped.increases import NEVER, Scrapes, growth
from pratique.store.scraped.rows import RowBuilder, Span

MAPPING = PointMapping(preset="telegraf-haproxy")
LOOKBACK_MS = 300_000
STEP_S = 10


def series(server, field, samples):
    """A series of HAProxy's input. samples: (second, value as text)."""
    tags = {"proxy": "shop", "sv": server, "type": "server", "server": "/run/haproxy.sock", "host": "web-1"}
    times = np.array([second for second, _ in samples], np.int64) * 1_000_000_000
    return Series(tags, field, times, pa.array([value for _, value in samples], pa.string()))


def counted(*found, earlier=(), first_s=0, last_s=6000, window_s=60):
    """Requests by (revision, code)."""
    samples = CounterSamples(TagReader(MAPPING), MAPPING.target)
    samples.add(found)
    samples.add_earlier(earlier)
    named = samples.counters()
    scrapes = Scrapes([counter for _, counter in named], lambda _: NEVER)
    builder = RowBuilder(Span(first_s * 1000, last_s * 1000, window_s * 1000), "points")
    for tags, counter in named:
        builder.add_requests(tags, growth(continued(counter, scrapes, LOOKBACK_MS), scrapes, LOOKBACK_MS))
    totals = {}
    for row in builder.rollups().table.to_pylist():
        key = (row["revision"], row["code"])
        totals[key] = totals.get(key, 0) + row["n"]
    return totals


def rising(values):
    return [(STEP_S * number, str(value)) for number, value in enumerate(values)]


def test_each_field_is_a_counter_of_its_codes():
    found = counted(
        series("r1", "http_response.2xx", rising([100, 110, 130])),
        series("r1", "http_response.5xx", rising([0, 1, 3])),
        series("shop-r2-0", "http_response.other", rising([0, 0, 2])),
    )
    assert found == {("r1", 200): 30, ("r1", 500): 3, ("r2", 0): 2}


def test_a_server_that_appears_later_counts_from_its_first_request():
    old = series("r1", "http_response.2xx", rising([100, 110, 130, 140]))
    new = series("r2", "http_response.2xx", [(20, "7"), (30, "9")])
    assert counted(old, new)["r2", 200] == 9


@pytest.mark.parametrize("value", ["", "nan", "1e400x", "UP", "-"])
def test_values_that_are_no_numbers_are_no_samples(value):
    assert counted(series("r1", "http_response.2xx", [(0, "5"), (10, value), (20, "8")])) == {("r1", 200): 3}


@pytest.mark.parametrize("value", [9_007_199_254_740_000, 123_456_789_012])
def test_large_counters_are_exact(value):
    assert counted(series("r1", "http_response.2xx", rising([value, value + 1]))) == {("r1", 200): 1}


def test_the_last_value_of_before_the_range_tells_that_a_silent_counter_goes_on():
    others = series("r2", "http_response.2xx", rising(range(200)))
    silent = series("r1", "http_response.2xx", [(1990, "530")])
    assert counted(others, silent)["r1", 200] == 530
    earlier = [series("r1", "http_response.2xx", [(-900, "500")]), series("r9", "http_response.2xx", [(-900, "1")])]
    assert counted(others, silent, earlier=earlier)["r1", 200] == 30
    fallen = [series("r1", "http_response.2xx", [(-900, "531")])]
    assert counted(others, silent, earlier=fallen)["r1", 200] == 530


@st.composite
def lives(draw):
    """(requests in each step, whether a point was written at its end, whether the process began again before it)."""
    steps = []
    for life in range(draw(st.integers(1, 4))):
        requests = draw(st.lists(st.integers(0, 9), min_size=1, max_size=20))
        written = draw(st.lists(st.booleans(), min_size=len(requests), max_size=len(requests)))
        # requests after the last point of a process are lost with it
        written[-1] = True
        steps += [
            (n, is_there, life > 0 and at == 0) for at, (n, is_there) in enumerate(zip(requests, written, strict=True))
        ]
    return steps


@given(lives(), st.sampled_from([10, 20, 60]))
def test_restarts_and_missing_points_count_everything_or_too_little(steps, window_s):
    """A restart is seen when the counter falls; where it has passed its old value meanwhile, the increase is too small."""
    value, samples, truth, hidden, restarted = 0, [(0, "0")], 0, 0, False
    for at, (n, is_there, again) in enumerate(steps, start=1):
        restarted = restarted or again
        value = n if again else value + n
        truth += n
        if is_there:
            before = int(samples[-1][1])
            hidden += before if restarted and value >= before else 0
            samples.append((STEP_S * at, str(value)))
            restarted = False
    found = counted(series("r1", "http_response.2xx", samples), window_s=window_s)
    assert found.get(("r1", 200), 0) == truth - hidden


@given(lives(), st.sets(st.integers(1, 79)))
def test_leaving_out_points_that_repeat_the_last_one_changes_nothing(steps, kept):
    """Telegraf's processor dedup does so, while other counters of the same HAProxy are written."""
    value, samples = 0, [(0, "0")]
    for at, (n, _, again) in enumerate(steps, start=1):
        value = n if again else value + n
        samples.append((STEP_S * at, str(value)))
    changed = [sample for at, sample in enumerate(samples) if at == 0 or at in kept or sample[1] != samples[at - 1][1]]
    others = series("r9", "http_response.2xx", rising(range(len(samples))))
    field = "http_response.2xx"
    assert counted(series("r1", field, changed), others) == counted(series("r1", field, samples), others)


def test_a_count_that_a_float_cannot_hold_is_no_sample():
    found = series("r1", "hrsp_2xx", [(0, "5"), (10, "9"), (20, "1e300"), (30, "9007199254740993"), (40, "12")])
    assert sum(counted(found).values()) == 7
