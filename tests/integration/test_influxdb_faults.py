"""Each fault of InfluxDB at each moment: nothing lost, nothing counted twice, no verdict on a gap, one line for the user.

The collector, the judge of a release and the commands are the real ones, on a real server behind a proxy; only their clock is simulated.
"""

import json
import re
from collections import Counter
from datetime import datetime, timedelta

import pytest

from pratique.balancer.accessline import Access, encode
from pratique.cli import main
from pratique.clock import utc_now
from pratique.config import load
from pratique.errors import DeniedError, MissingError, PratiqueError, UnavailableError
from pratique.ledger import open_ledger
from pratique.runbook.canary import analysis, measuring
from pratique.runbook.canary.analysis import LiveAnalysis
from pratique.runbook.canary.measuring import CollectorWatch
from pratique.runbook.canary.traffic_split import arms_of
from pratique.store import open_store
from pratique.store.influxdb import store as store_module
from pratique.telemetry import collector as collector_module
from pratique.telemetry.collector import Collector
from pratique.telemetry.collector_status import CollectorStatus
from support.influxdb import TOKEN, server_running
from support.influxdb_bucket import DisturbedBucket
from support.influxdb_faults import FAULTS, IN_A_WRITE
from support.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.influxdb, pytest.mark.slow]

REVISIONS = ("r1", "r2")
LOOKS = 5
"""Looks of the judge at a lasting fault, three seconds apart: a release waits for five seconds."""


@pytest.fixture(scope="module")
def server():
    with server_running() as found:
        yield found


class World:
    """Users of two revisions, the collector, the bucket, and the judge of a release. Time passes in steps of a second."""

    def __init__(self, folder, bucket, monkeypatch, *, timeout_s):
        self.bucket, self.file = bucket, folder / "pratique.toml"
        self.file.write_text(
            "[telemetry]\nwindow_s = 1\n[services.shop.judge]\nhistory_min = 1\n"
            + bucket.settings.replace("timeout_s = 2", f"timeout_s = {timeout_s}")
        )
        self.config, self.now, world = load(self.file), utc_now().replace(microsecond=0), self
        self.began, self.sent = self.now, Counter()

        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return world.now

            @staticmethod
            def monotonic():
                return world.now.timestamp()

        monkeypatch.setattr(analysis, "utc_now", Clock.now)
        monkeypatch.setattr(analysis, "time", Clock)
        monkeypatch.setattr(measuring, "time", Clock)
        monkeypatch.setattr(measuring, "require_collector", lambda _, **__: self.status)
        monkeypatch.setattr(collector_module, "now_ms", lambda: int(self.now.timestamp() * 1000))
        monkeypatch.setattr(collector_module, "RETRY_S", (0.0,))
        monkeypatch.setattr(store_module, "WAIT_S", 0.5)
        self.ledger = open_ledger(self.config.state_dir)
        self.ledger.append("weight", "shop", data={"shares": {"r1": 0.5, "r2": 0.5}})
        self.start_collector()

    def start_collector(self):
        self.status = CollectorStatus(utc_now())
        self.collector = Collector(self.config, open_store(self.config.store), self.status)

    def kill_collector(self):
        """End it as a kill does, but for its threads and files, which a test must not leave behind."""
        self.collector.sync()
        self.collector._writer.shutdown()
        self.collector._logs.close()
        self.collector._spool.close()

    def pass_time(self, seconds=1):
        """Let users send requests, another number each second, and the collector work."""
        for _ in range(seconds):
            second = int((self.now - self.began).total_seconds())
            for revision in REVISIONS:
                for number in range(second % 5 + 1):
                    at_ms = int(self.now.timestamp() * 1000) + number
                    access = Access(at_ms, "shop", revision, "GET", "/", 200, 20.0, "i")
                    self.collector.receive(encode(access, host="h", boot="", sequence=0))
                    self.sent[self.now, revision] += 1
            self.now += timedelta(seconds=1)
            self.work()

    def work(self):
        self.collector.sync()
        self.collector.tick()
        if self.collector._write is not None:
            self.collector._settle(60)
            self.collector.tick()

    def work_until_stored(self):
        """Let the collector write what it has; no request comes."""
        self.now += timedelta(seconds=1)
        for _ in range(5):
            self.work()
        assert self.status.error is None
        assert self.status.unstored_ms is None

    def stored(self):
        """What the bucket has, read past the proxy."""
        rows = open_store(self.bucket.server.settings(self.bucket.bucket)).read("shop", REVISIONS).table.to_pylist()
        found = Counter()
        for row in rows:
            assert sum(row["count"]) == row["n"]
            found[row["window"], row["revision"]] += row["n"]
        return found

    def release(self):
        arms = arms_of(*REVISIONS, fresh=False)
        store, watch = open_store(self.config.store), CollectorWatch(self.config.state_dir)
        return LiveAnalysis(self.config.target("shop"), arms, self.ledger, store, watch, since=self.began)

    def sent_until(self, end):
        found = Counter()
        for (time, revision), count in self.sent.items():
            found[revision] += count * (time < end)
        return found

    def look(self, release):
        """Let the judge look: it has counted every request up to the end of its verdict, or given none."""
        verdict = release.look()
        if verdict is not None:
            assert verdict.requests == self.sent_until(verdict.end)
        return verdict

    def all_is_judged(self, release):
        """Whether a last look counts every request that was sent."""
        self.work_until_stored()
        self.now += timedelta(seconds=5)
        verdict = self.look(release) or release.look_again()
        return verdict.requests == self.sent_until(self.now)


@pytest.fixture
def world(tmp_path, server, monkeypatch, fault):
    monkeypatch.setenv("INFLUX_TOKEN", TOKEN)
    # only a server that hangs is waited for
    timeout_s = 1 if fault.name == "hangs" else 30
    with TcpProxy(server.port) as proxy:
        bucket = DisturbedBucket(server, proxy, tmp_path)
        found = World(tmp_path, bucket, monkeypatch, timeout_s=timeout_s)
        yield found
        bucket.mend()
        found.kill_collector()


def mend(world, fault):
    fault.mend(world.bucket)
    world.bucket.mend()


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_collector_loses_and_doubles_nothing(world, fault):
    world.pass_time(3)
    world.work_until_stored()
    assert world.stored() == world.sent
    fault.strike(world.bucket)
    world.pass_time(3)
    assert bool(world.status.error) == bool(fault.written)
    if fault.written:
        assert_told(world.status.error, fault.written)
        assert "keeps 3 windows since" in " ".join(world.status.notes())
        world.kill_collector()
        world.start_collector()
    mend(world, fault)
    world.pass_time(2)
    world.work_until_stored()
    assert world.stored() == world.sent


def assert_told(text, words):
    """One line with the words, and no secret."""
    assert re.search(words, text), text
    assert "\n" not in text
    assert len(text) < 500


@pytest.mark.parametrize("fault", IN_A_WRITE, ids=str)
def test_a_server_that_ends_within_a_write_has_all_of_it_finally(world, fault):
    world.pass_time(3)
    world.work_until_stored()
    fault.strike(world.bucket)
    world.pass_time(2)
    mend(world, fault)
    world.pass_time(1)
    world.work_until_stored()
    assert world.stored() == world.sent


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_release_waits_and_never_judges_on_a_gap(world, fault):
    world.pass_time(4)
    release = world.release()
    assert world.look(release) is not None
    fault.strike(world.bucket)
    world.pass_time(1)
    if fault.status in (66, 77):
        with pytest.raises((DeniedError, MissingError), match=fault.read):
            world.look(release)
    else:
        verdict = world.look(release)
        assert verdict is None or not fault.read
    mend(world, fault)
    world.pass_time(2)
    assert world.all_is_judged(release)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_release_ends_when_a_fault_lasts(world, fault):
    world.pass_time(4)
    release = world.release()
    assert world.look(release) is not None
    fault.strike(world.bucket)
    ended = None
    for _ in range(LOOKS):
        world.pass_time(1)
        world.now += timedelta(seconds=2)
        try:
            world.look(release)
        except PratiqueError as error:
            ended = error
            break
    assert bool(ended) == bool(fault.written)
    if ended:
        assert isinstance(ended, (UnavailableError, DeniedError, MissingError))
        assert_told(str(ended), f"{fault.written}|{fault.read or 'not complete'}")
    mend(world, fault)
    assert world.all_is_judged(world.release())


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_command_that_reads_says_why_it_cannot(world, fault, capsys):
    world.pass_time(4)
    world.work_until_stored()
    question = ["shop", *REVISIONS, "--config", str(world.file), "--json"]
    fault.strike(world.bucket)
    for command in ("report", "compare") if fault.read else ():
        status, out, err = run([command, *question], capsys)
        assert status == fault.status, (out, err)
        assert not out
        assert_told(err.strip(), f"^pratique: .*({fault.read})")
    if fault.read:
        mend(world, fault)
    status, out, err = run(["compare", *question], capsys)
    assert status == 2
    assert json.loads(out)["requests"] == world.sent_until(world.now)


def run(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main(command)
    return ended.value.code, *capsys.readouterr()
