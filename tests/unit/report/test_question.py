"""Empty arguments of a report are those of the ledger's last release, or else the newest revisions of the store."""

from datetime import timedelta

import pytest

from pratique.clock import stamp
from pratique.config import Config, StoreSettings
from pratique.errors import UsageError
from pratique.ledger import open_ledger
from pratique.report.question import Question, complete_question
from pratique.store import open_store
from pratique.telemetry.rollups import Rollups
from support.report_samples import START, sample_events

EMPTY = Question("", "", "")
JUDGED = {"start": stamp(START), "end": stamp(START + timedelta(minutes=2))}


@pytest.fixture
def config(tmp_path):
    return Config(store=StoreSettings(url=str(tmp_path / "store")), state=str(tmp_path))


@pytest.fixture
def store(config):
    """Revisions r1 to r4, each first seen after the one before."""
    found = open_store(config.store.url)
    for number, names in enumerate(({"r2": "r1", "r3": "r2"}, {"r2": "r3", "r3": "r4"})):
        at = START + timedelta(hours=number)
        shares = [(at, {"r2": 0.5, "r3": 0.5})]
        events = sample_events(start=at, minutes=1, rate=2, history=1, weights=shares, names=names)
        found.write(Rollups.from_events(events, window_s=10))
    return found


def released(config, baseline, revision, run, *, judged=JUDGED):
    ledger = open_ledger(config.state_dir)
    ledger.append("release", "shop", revision=revision, run=run, data={"event": "started", "baseline": baseline})
    ledger.append("verdict", "shop", revision=revision, run=run, data=judged)
    ledger.append("release", "shop", revision=revision, run=run, data={"event": "ended", "outcome": "promoted"})


def test_without_a_release_the_newest_revisions_are_compared(config, store):
    found = complete_question(EMPTY, store, config)
    assert (found.service, found.baseline, found.canary) == ("shop", "r3", "r4")


def test_the_last_release_is_the_question_in_the_range_in_which_it_was_judged(config, store):
    released(config, "r4", "r3", "a")
    released(config, "r1", "r2", "b")
    found = complete_question(EMPTY, store, config)
    assert (found.baseline, found.canary) == ("r1", "r2")
    assert (found.start, found.end) == (START, START + timedelta(minutes=2))


def test_a_release_that_was_not_judged_has_no_range(config, store):
    released(config, "r1", "r2", "b", judged={"end": None})
    found = complete_question(EMPTY, store, config)
    assert (found.baseline, found.canary, found.start, found.end) == ("r1", "r2", None, None)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"canary": "r3"}, ("r4", "r3")),
        ({"baseline": "r1"}, ("r1", "r2")),
        ({"baseline": "r2"}, ("r2", "r4")),
        ({"baseline": "r2", "canary": "r1"}, ("r2", "r1")),
    ],
)
def test_what_is_given_is_kept(config, store, asked, answer):
    released(config, "r4", "r3", "a")
    released(config, "r1", "r2", "b")
    found = complete_question(Question(**{"service": "shop", "baseline": "", "canary": "", **asked}), store, config)
    assert (found.baseline, found.canary) == answer
    assert (found.start, found.end) == (None, None)


def test_a_release_whose_revisions_are_in_another_store_is_passed_over(config, store):
    released(config, "r8", "r9", "a")
    found = complete_question(EMPTY, store, config)
    assert (found.baseline, found.canary) == ("r3", "r4")


def test_an_empty_store_leaves_nothing_to_choose(config):
    with pytest.raises(UsageError, match="service is required: the store has none"):
        complete_question(EMPTY, open_store(config.store.url), config)
