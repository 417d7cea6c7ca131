"""The balancer's log: one line for each message, and few of them however many there are."""

import logging

import pytest

from pratique.balancer import process_log
from pratique.balancer.process_log import MOST_LINES, BoundedHandler


@pytest.fixture
def logger():
    found, handler = logging.getLogger("pratique.test"), BoundedHandler()
    found.addHandler(handler)
    found.propagate = False
    yield found
    found.removeHandler(handler)


def test_error_is_one_line_without_a_traceback(logger, capsys):
    logger.error("accept failed", exc_info=OSError(24, "Too many open files\nand more"))
    assert capsys.readouterr().err == "accept failed: OSError: [Errno 24] Too many open files and more\n"


def test_lines_have_a_bound_and_the_rest_is_counted(logger, capsys, monkeypatch):
    now = 100.0
    monkeypatch.setattr(process_log.time, "monotonic", lambda: now)
    for number in range(1000):
        logger.error("message %d", number)
    now += process_log.INTERVAL_S
    logger.error("later")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == MOST_LINES + 2
    assert lines[-2:] == ["980 more messages of this kind were not written", "later"]
