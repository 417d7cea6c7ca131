from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.errors import MissingError
from pratique.figures import timeline
from pratique.ledger import Ledger
from pratique.ledger.previous_revision import previous_revision
from pratique.ledger.serving_periods import ServingPeriod, serving_periods

START = datetime(2026, 1, 1, tzinfo=UTC)


def line(*words):
    """Serving periods from "r1 r2 <r1": < is a rollback."""
    return [
        ServingPeriod(word.lstrip("<"), START + timedelta(hours=number), None, "", word.startswith("<"))
        for number, word in enumerate(words)
    ]


@pytest.mark.parametrize(
    ("words", "now", "expected"),
    [
        ("r1 r2", "r2", "r1"),
        ("r1 r2 r3", "r3", "r2"),
        ("r1 r2 r3 <r2", "r2", "r1"),  # not r3, which was rolled back
        ("r1 r2 <r1 r3", "r3", "r1"),  # r2 was rolled back
        ("r1 r2 r3 r1", "r1", "r3"),  # released again: the revision before it
        ("r1 r2 r3 <r1 r4 <r1 r5", "r5", "r1"),
        ("r1 r2", "r9", "r2"),  # put there by hand
    ],
)
def test_previous_revision(words, now, expected):
    assert previous_revision(line(*words.split()), now) == expected


@pytest.mark.parametrize(("words", "now"), [("r1", "r1"), ("r1 r2 <r1", "r1"), ("", "r1")])
def test_no_previous_revision_is_an_error(words, now):
    with pytest.raises(MissingError, match="name a revision"):
        previous_revision(line(*words.split()), now)


@given(st.lists(st.tuples(st.sampled_from(["r1", "r2", "r3"]), st.booleans()), min_size=1, max_size=12))
def test_the_previous_revision_is_never_the_current_one(history):
    times = line(*(f"{'<' * back}{name}" for name, back in history))
    now = times[-1].revision
    with suppress(MissingError):
        assert previous_revision(times, now) != now


def test_a_split_continues_the_period_of_the_last_sole_revision(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for shares, run in [
        ({"r1": 1.0}, None),
        ({"r1": 0.8, "r2": 0.2}, "one"),
        ({"r1": 1.0, "r2": 0.0}, "one"),
        ({"r1": 0.5, "r2": 0.5}, "two"),
        ({"r1": 0.0, "r2": 1.0}, "two"),
    ]:
        ledger.append("weight", "shop", run=run, data={"shares": shares})
    served = serving_periods(ledger.entries("shop"))
    assert [(s.revision, s.run, s.by_rollback, s.end is None) for s in served] == [
        ("r1", "", False, False),
        ("r2", "two", False, True),
    ]


def test_the_timeline_has_a_bar_per_period_and_a_row_per_revision():
    hour = timedelta(hours=1)
    weights = [
        (START, {"r1": 1.0}),
        (START + hour, {"r1": 0.8, "<b>r2": 0.2}),
        (START + 2 * hour, {"r1": 1.0, "<b>r2": 0.0}),
    ]
    chart = timeline(weights, now=START + 4 * hour)
    bars = [(trace.text.split(" from")[0], trace.x[0], trace.x[1]) for trace in chart.data]
    assert [(start, end) for _, start, end in bars] == [
        (START, START + hour),
        (START + hour, START + 2 * hour),
        (START + hour, START + 2 * hour),
        (START + 2 * hour, START + 4 * hour),
    ]
    assert "<b>" not in "".join(chart.layout.yaxis.ticktext)
    assert len(chart.layout.yaxis.ticktext) == 2
    assert timeline([]).layout.annotations[0].text == "The ledger has no traffic changes yet."


def test_a_promotion_that_its_own_run_undid_does_not_count(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for revision, run in [("r0", None), ("r1", "one"), ("r2", "two"), ("r1", "two")]:
        ledger.append("weight", "shop", run=run, data={"shares": {revision: 1.0}})
    found = serving_periods(ledger.entries("shop"))
    assert [time.revision for time in found] == ["r0", "r1"]
    assert found[-1].end is None
    assert previous_revision(found, "r1") == "r0"
