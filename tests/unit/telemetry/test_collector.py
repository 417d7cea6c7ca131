"""The collector's totals in memory, line by line, with a simulated clock."""

import json

import pytest

from pratique.clock import utc_now
from pratique.config import load
from pratique.telemetry import collector as module
from pratique.telemetry.collector import Collector
from pratique.telemetry.collector_status import CollectorStatus

START_MS = 1_795_226_000_000


class World:
    """A collector, its clock, and what it has written."""

    def __init__(self, folder, monkeypatch):
        (folder / "pratique.toml").write_text("[telemetry]\nwindow_s = 1\nlate_s = 2\n[services.shop]\n")
        self.now_ms, self.written, self.config = START_MS, {}, load(folder / "pratique.toml")
        monkeypatch.setattr(module, "now_ms", lambda: self.now_ms)
        self.open()

    def open(self):
        self.status = CollectorStatus(utc_now())
        self.collector = Collector(self.config, self, self.status)

    def write(self, rollups):
        for row in rollups.table.to_pylist():
            self.written[row["window"], row["revision"], row["action"]] = row["n"]

    def line(self, age_ms=0, **change):
        body = {"t": self.now_ms - age_ms, "s": "shop", "r": "r1", "m": "GET", "p": "/", "c": 200, "d": 1.0}
        return f"<134>1 - h app - - - {json.dumps(body | change)}".encode()

    def receive(self, *args, **change):
        self.collector.receive(self.line(*args, **change))

    def tick(self, wait=False):
        self.collector.sync()
        self.collector.tick()
        if wait:
            self.collector._settle(10)


@pytest.fixture
def world(tmp_path, monkeypatch):
    found = World(tmp_path, monkeypatch)
    yield found
    found.collector.close()


def test_late_lines_do_not_keep_old_windows_open(world):
    for _ in range(200):
        world.receive()
        world.receive(1500)
        world.tick()
        world.now_ms += 100
    world.tick(wait=True)
    world.tick(wait=True)
    assert len(world.collector._windows) < 8
    assert world.status.late == 0
    world.receive(15_000)
    assert world.status.late == 1


def test_new_collector_refuses_lines_beyond_the_limit_for_late_ones(world):
    for days in range(1, 50):
        world.receive(days * 86_400_000)
    assert (world.status.late, world.status.received) == (49, 0)


def test_restarted_collector_has_the_same_totals(world):
    world.receive()
    world.receive(p="/" + "a" * 60_000)
    world.collector.close()
    world.written.clear()
    world.open()
    world.receive()
    world.collector.close()
    assert sum(world.written.values()) == 3


def test_many_services_do_not_fill_the_memory(world, monkeypatch):
    monkeypatch.setattr(module, "MOST_SERVICES", 10)
    for number in range(50):
        world.receive(s=f"s{number}")
    assert len(world.collector._actions) == 10
    assert world.status.received == 50


def test_line_that_cannot_be_spooled_is_not_counted_and_reported(world, monkeypatch):
    monkeypatch.setattr("pratique.telemetry.spool.MOST_PENDING", 0)
    world.receive()
    world.receive()
    assert (world.status.received, world.status.unkept) == (1, 1)
    assert "could not be written to the disk" in world.status.to_text()


def test_late_line_is_not_reported_as_lost(world):
    for number in range(1, 7):
        world.receive(15_000 if number in {2, 4} else 0, b="boot", q=number)
    assert (world.status.received, world.status.late, world.status.lost_on_way) == (4, 2, 0)
    world.receive(15_000, b="boot", q=2)
    assert (world.status.late, world.status.duplicates) == (2, 1)
