"""A question about an incident: refused before anything is read, and a file name that is safe."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pratique.errors import UsageError
from pratique.report.incident_question import IncidentQuestion, checked
from support.report_samples import HOSTILE

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
QUESTION = IncidentQuestion("shop", start=START, end=START + timedelta(hours=2))


@pytest.mark.parametrize("outcome", ["5xx", "4xx", "503", "404", "no answer", "p95", "p99.9", "p00.1", "p01"])
def test_outcomes_of_a_guard_are_accepted(outcome):
    assert checked(replace(QUESTION, outcome=outcome)).outcome == outcome


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outcome": "errors"}, "is not one of 5xx"),
        ({"outcome": "5xx; drop"}, "is not one of 5xx"),
        ({"outcome": "p00"}, "is not one of 5xx"),
        ({"outcome": "p00.00"}, "is not one of 5xx"),
        ({"outcome": "p99.99999999999999999999"}, "is not one of 5xx"),
        ({"outcome": "p100"}, "is not one of 5xx"),
        ({"alpha": 0.0}, "not a probability"),
        ({"alpha": 0.5}, "not a probability"),
        ({"end": START}, "is not before end"),
        ({"before": START}, "is not before the start"),
    ],
)
def test_a_wrong_question_is_refused_with_the_reason(changes, message):
    with pytest.raises(UsageError, match=message):
        checked(replace(QUESTION, **changes))


def test_the_file_name_has_service_outcome_and_range():
    assert QUESTION.stem == "incident-shop-5xx-20261120T120000Z-20261120T140000Z"
    assert IncidentQuestion("shop", "p95").stem == "incident-shop-p95"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_service_gives_a_safe_file_name(name):
    stem = IncidentQuestion(name).stem
    assert "/" not in stem
    assert stem.isascii()
    assert stem.isprintable()
    assert len(stem) < 120
