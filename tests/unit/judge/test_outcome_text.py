"""A result in words names the outcome, the place and the size of a difference, for every kind of guard."""

from dataclasses import replace

import pytest

from pratique.judge.outcome_text import sentence, wording_of
from support.report_samples import sample_guard


def words(outcome, bad, requests, *, action="GET /search", threshold_ms=None):
    guard = sample_guard("any name", action, outcome=outcome, threshold_ms=threshold_ms)
    counts = {
        "bad": dict(zip(("r2", "r3"), bad, strict=True)),
        "requests": dict(zip(("r2", "r3"), requests, strict=True)),
    }
    return sentence(replace(guard, **counts), "r2", "r3")


@pytest.mark.parametrize(
    ("outcome", "threshold_ms", "expected"),
    [
        ("5xx", None, "GET /search fails more often: 29 % of its requests are 5xx, 0.30 % in the baseline"),
        ("4xx", None, "GET /search rejects requests more often: 29 % of its requests are 4xx, 0.30 % in the baseline"),
        ("3xx", None, "GET /search redirects more often: 29 % of its requests are 3xx, 0.30 % in the baseline"),
        ("503", None, "GET /search answers 503 more often: 29 % of its requests are 503, 0.30 % in the baseline"),
        (
            "p50",
            120.0,
            "GET /search is slower: 29 % of its requests took longer than the baseline's median (120 ms), 0.30 % in the baseline",
        ),
        (
            "p99.9",
            2000.0,
            "GET /search is slower: 29 % of its requests took longer than the baseline's p99.9 (2 s), 0.30 % in the baseline",
        ),
        (
            "no answer",
            None,
            "GET /search leaves requests without an answer more often: 29 % of its requests got no answer, 0.30 % in the baseline",
        ),
        (
            "other",
            None,
            "GET /search answers with unusual codes more often: 29 % of its requests without an error have a code that no other guard watches, 0.30 % in the baseline",
        ),
        (
            "lost\x1b[31m",
            None,
            'GET /search has the outcome "lost�[31m" more often: 29 % of its requests have it, 0.30 % in the baseline',
        ),
    ],
)
def test_every_kind_of_guard_has_words(outcome, threshold_ms, expected):
    assert words(outcome, (30, 290), (10_000, 1_000), threshold_ms=threshold_ms) == expected


def test_the_whole_service_is_named_by_its_canary():
    assert words("5xx", (0, 12), (9_000, 10_000), action="*") == (
        "r3 fails more often: 12 in 10,000 of its requests are 5xx, none in the baseline"
    )


def test_a_difference_that_only_shows_window_by_window_says_so():
    text = words("5xx", (600, 20), (10_000, 1_000))
    assert "fails more often than the baseline at the same times, although in total 2.0 % " in text
    assert "and 6.0 % in the baseline" in text


def test_an_outcome_without_a_name_is_that_of_the_guard():
    assert sample_guard("5xx").outcome == "5xx"
    assert wording_of("p75", 10.0).of_requests == "took longer than the baseline's upper quartile (10 ms)"


def test_an_outcome_that_became_less_frequent_is_shown_with_its_own_share():
    text = words("fewer 4xx", (880, 999), (1_000, 1_000), action="*")
    assert text == "r3 answers 4xx less often: 0.10 % of its requests that did not fail are 4xx, 12 % in the baseline"


def test_a_watched_code_is_counted_among_the_requests_without_an_error():
    guard = sample_guard("code 302", "*", outcome="302", bad={"r2": 0, "r3": 10}, requests={"r2": 90, "r3": 10})
    assert sentence(guard, "r2", "r3") == (
        "r3 answers 302 more often: 100 % of its requests without an error are 302, none in the baseline"
    )
