"""How long a release waits for scrapes that do not come."""

from datetime import UTC, datetime, timedelta

import pytest

from pratique.errors import UnavailableError
from pratique.runbook.canary import measuring
from pratique.runbook.canary.measuring import ScrapeWatch

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = timedelta(seconds=60)


class Server:
    """A metrics server that scrapes each second, and the clock."""

    def __init__(self, monkeypatch):
        self.passed_s, self.away, self.scraped = 0.0, False, True
        monkeypatch.setattr(measuring, "elapsed_s", lambda: self.passed_s)
        self.watch = ScrapeWatch(self.newest)

    def newest(self):
        if self.away:
            raise UnavailableError("the store does not answer")
        return self.now if self.scraped else None

    @property
    def now(self):
        return START + timedelta(seconds=self.passed_s)

    def look_after(self, seconds):
        self.passed_s += seconds
        return self.watch.look(self.now, WINDOW)


@pytest.fixture
def server(monkeypatch):
    return Server(monkeypatch)


def test_a_server_that_is_back_within_a_minute_is_waited_for(server):
    assert server.look_after(0) is not None
    server.away = True
    assert [server.look_after(10) for _ in range(8)] == [None] * 8
    server.away = False
    assert server.look_after(10) is not None


def test_a_server_that_stays_away_is_named_with_its_last_answer(server):
    server.look_after(0)
    server.away = True
    server.look_after(60)
    with pytest.raises(UnavailableError, match="for 90 s nothing was measured: the store does not answer"):
        server.look_after(31)


def test_a_server_without_samples_is_named(server):
    server.scraped = False
    assert server.look_after(0) is None
    with pytest.raises(UnavailableError, match="no sample of the services for 90 s"):
        server.look_after(91)
