"""Live analysis on the store that the collector writes, with a simulated clock."""

import heapq
import itertools
import random
import threading
import time
from datetime import datetime, timedelta

import pytest

from pratique.balancer.accessline import Access, encode
from pratique.clock import utc_now
from pratique.config import load
from pratique.errors import UnavailableError
from pratique.ledger import open_ledger
from pratique.runbook.canary import analysis as module
from pratique.runbook.canary import measuring
from pratique.runbook.canary.analysis import LiveAnalysis
from pratique.runbook.canary.measuring import CollectorWatch
from pratique.runbook.canary.traffic_split import arms_of
from pratique.store import open_store
from pratique.telemetry import collector as collector_module
from pratique.telemetry.collector import Collector
from pratique.telemetry.collector_status import CollectorStatus

RATE = 20
"""Requests a second of each arm."""


class World:
    """Users of two revisions, a collector, its store, and the analysis; a step is half a second."""

    def __init__(self, folder, monkeypatch):
        (folder / "pratique.toml").write_text("[telemetry]\nwindow_s = 1\n[services.shop.judge]\nhistory_min = 1\n")
        config = load(folder / "pratique.toml")
        self.config, self.now, world = config, utc_now().replace(second=0, microsecond=0), self

        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return world.now

            @staticmethod
            def monotonic():
                return world.now.timestamp()

        monkeypatch.setattr(module, "utc_now", Clock.now)
        monkeypatch.setattr(module, "time", Clock)
        monkeypatch.setattr(measuring, "time", Clock)
        monkeypatch.setattr(measuring, "require_collector", lambda _, **__: self.status)
        monkeypatch.setattr(collector_module, "now_ms", lambda: int(self.now.timestamp() * 1000))
        self.status, self.store = CollectorStatus(utc_now()), open_store(config.store)
        self.collector = Collector(config, self, self.status)
        ledger = open_ledger(config.state_dir)
        ledger.append("weight", "shop", data={"shares": {"r1": 0.5, "r2": 0.5}})
        self.analysis = LiveAnalysis(
            config.target("shop"),
            arms_of("r1", "r2", fresh=False),
            ledger,
            self.store,
            CollectorWatch(config.state_dir),
            since=self.now,
        )
        self.random, self.number, self.under_way = random.Random(1), itertools.count(), []
        self.slow, self.waiting = 0, []

    def write(self, rollups):
        """Write for the collector; with `slow`, it takes that many steps."""
        done = threading.Event()
        self.waiting.append([self.slow, done])
        done.wait()
        self.store.write(rollups)

    def step(self, *, failing, taking_s):
        begun = self.now
        self.now += timedelta(seconds=0.5)
        for revision, at in itertools.product(("r1", "r2"), range(RATE // 2)):
            start = begun + timedelta(seconds=at / RATE)
            bad = revision == "r2" and self.random.random() < failing
            took_s = taking_s if bad else 0.02
            access = Access(
                int(start.timestamp() * 1000), "shop", revision, "GET", "/", 504 if bad else 200, took_s * 1000, "i"
            )
            heapq.heappush(self.under_way, (start + timedelta(seconds=took_s), next(self.number), access))
        while self.under_way and self.under_way[0][0] <= self.now:
            self.collector.receive(encode(heapq.heappop(self.under_way)[2], host="h", boot="", sequence=0))
        self.collector.sync()
        self.collector.tick()
        if self.collector._write is not None:
            while not self.waiting:
                time.sleep(0.001)
            self.waiting[0][0] -= 1
            if self.waiting[0][0] < 0:
                self.waiting.pop()[1].set()
                self.collector._settle(10)
                self.collector.tick()

    def let_go(self):
        self.slow = 0
        for _, done in self.waiting:
            done.set()

    def verdicts(self, seconds, *, failing, taking_s=6.0):
        for _ in range(seconds * 2):
            self.step(failing=failing, taking_s=taking_s)
            if (verdict := self.analysis.look()) is not None:
                yield verdict


@pytest.fixture
def world(tmp_path, monkeypatch):
    found = World(tmp_path, monkeypatch)
    yield found
    found.let_go()
    found.collector._writer.shutdown()
    found.collector._logs.close()
    found.collector._spool.close()


@pytest.mark.slow
def test_timeouts_are_found_although_they_arrive_late(world):
    seen = list(world.verdicts(25, failing=0.4))
    assert seen[-1].verdict == "rollback"
    first = next(verdict for verdict in seen if verdict.verdict == "rollback")
    assert "5xx" in first.reason
    assert first.end < world.now - timedelta(seconds=5)


@pytest.mark.slow
def test_a_clock_set_forward_changes_nothing_but_the_times(world):
    before = list(world.verdicts(10, failing=0.4, taking_s=0.05))[-1]
    world.now += timedelta(hours=1)
    after = list(world.verdicts(15, failing=0.4, taking_s=0.05))[-1]
    assert after.requests["r2"] > 1.5 * before.requests["r2"]
    assert after.end > before.end + timedelta(hours=1)
    assert after.verdict == "rollback"


@pytest.mark.slow
def test_after_a_clock_set_back_the_judge_counts_the_new_requests_only(world):
    """The windows of the last seconds come again, and the store has the old requests of the same times."""
    list(world.verdicts(20, failing=0.4, taking_s=0.05))
    world.now -= timedelta(seconds=12)
    world.analysis.begin_again(world.now)
    seen = list(world.verdicts(11, failing=0.0))
    assert seen
    [last] = seen[-1:]
    assert last.verdict == "continue"
    assert 0 < last.requests["r2"] <= RATE * 12
    assert all(guard.bad["r2"] == 0 for guard in last.guards if guard.guard == "5xx")


@pytest.mark.slow
def test_late_requests_do_not_change_the_verdict(world):
    list(world.verdicts(40, failing=0.02))
    last = list(world.verdicts(10, failing=0.0))[-1]
    again = world.analysis.look_again()
    assert (last.requests, last.verdict, last.e_value) == (again.requests, again.verdict, pytest.approx(again.e_value))


@pytest.mark.slow
def test_a_slow_store_delays_the_verdict_only(world):
    list(world.verdicts(10, failing=0.0))
    world.slow = 10
    seen = list(world.verdicts(40, failing=0.5, taking_s=0.05))
    assert seen
    assert seen[-1].verdict == "rollback"


@pytest.mark.slow
def test_a_store_that_stops_accepting_data_is_an_error(world):
    list(world.verdicts(10, failing=0.0))
    world.slow = 10_000
    with pytest.raises(UnavailableError, match="is not in the store 15 s after its end"):
        list(world.verdicts(40, failing=0.5))


@pytest.mark.slow
@pytest.mark.parametrize(("window_s", "joined"), [(2, 2), (3, 3)])
def test_windows_that_change_in_the_middle_are_judged_again_joined(world, window_s, joined):
    """The collector is given other windows by someone else: each row is judged by its own length."""
    list(world.verdicts(10, failing=0.0))
    longer = world.config.model_copy(
        update={"telemetry": world.config.telemetry.model_copy(update={"window_s": window_s})}
    )
    world.collector._store = world.store
    assert world.collector.follow(longer, world)
    last = list(world.verdicts(30, failing=0.0))[-1]
    assert last.window_s == joined
    assert sum(last.requests.values()) == pytest.approx(
        2 * RATE * (last.end - last.start).total_seconds(), abs=2 * RATE
    )
    assert not any(finding.kind in {"share mismatch", "gap", "late lines"} for finding in last.findings)
    again = world.analysis.look_again()
    assert (last.requests, last.verdict, last.e_value) == (again.requests, again.verdict, pytest.approx(again.e_value))


@pytest.mark.slow
def test_a_store_that_does_not_answer_for_a_moment_is_waited_for_and_nothing_is_judged(world, monkeypatch):
    before = list(world.verdicts(6, failing=0.0))[-1]
    read = world.store.read

    def away(*_):
        raise UnavailableError("store 'x' cannot be read: it does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "read", away)
        assert list(world.verdicts(4, failing=0.0)) == []
    after = list(world.verdicts(2, failing=0.0))[-1]
    assert after.end > before.end
    assert world.store.read == read
    monkeypatch.setattr(world.store, "read", away)
    with pytest.raises(UnavailableError, match=r"for 5 s nothing could be judged: store 'x' .* does not answer"):
        list(world.verdicts(8, failing=0.0))
