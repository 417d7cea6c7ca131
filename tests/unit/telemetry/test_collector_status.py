"""The sentences of the collector's status."""

from datetime import UTC, datetime

import pytest

from pratique.telemetry.collector_status import CollectorStatus

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNSTORED_MS = int(NOW.timestamp() * 1000) - 60_000


@pytest.mark.parametrize(
    ("waiting", "unstored_ms", "sentence"),
    [
        (12, UNSTORED_MS, "the collector cannot write and keeps 12 windows since 2026-03-01 11:59:00Z: it is away"),
        (1, UNSTORED_MS, "the collector cannot write and keeps 1 window since 2026-03-01 11:59:00Z: it is away"),
        (0, None, "the collector cannot write: it is away"),
    ],
)
def test_a_store_that_takes_no_write_is_named_with_the_backlog(waiting, unstored_ms, sentence):
    status = CollectorStatus(NOW, listen="x", waiting=waiting, unstored_ms=unstored_ms, error="it is away")
    assert status.notes() == [sentence]
    assert sentence in status.to_text()


def test_windows_that_wait_for_their_write_are_no_problem():
    assert CollectorStatus(NOW, waiting=2, unstored_ms=UNSTORED_MS).notes() == []
