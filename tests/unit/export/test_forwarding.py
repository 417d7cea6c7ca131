"""A thread that goes on after failures."""

import time

import pytest

from pratique.errors import UnavailableError
from pratique.export import forwarding
from pratique.export.forwarding import Forwarding
from support.waiting import eventually


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(forwarding, "PAUSE_S", 0.01)
    monkeypatch.setattr(forwarding, "RETRY_S", (0.01, 0.02))


@pytest.mark.parametrize("error", [UnavailableError("away"), OSError("no space"), ZeroDivisionError("a mistake")])
def test_a_failure_is_reported_and_ends_with_the_next_success(error, capsys):
    failing, calls = [error], []

    def work():
        calls.append(1)
        if failing:
            raise failing[0]

    one = Forwarding("events", work)
    assert one.error is None
    one.start()
    eventually(lambda: one.error == str(error))
    eventually(lambda: len(calls) > 4)
    failing.clear()
    eventually(lambda: one.error is None)
    one.close()
    ended = len(calls)
    time.sleep(0.05)
    assert len(calls) == ended
    assert ("unexpected ZeroDivisionError" in capsys.readouterr().err) == isinstance(error, ZeroDivisionError)


def test_one_that_was_not_started_can_be_closed():
    Forwarding("events", list).close()
