"""The collector's totals in memory, line by line, with a simulated clock."""

import json
import random
import time
from collections import Counter
from types import SimpleNamespace

import pytest

from pratique.clock import utc_now
from pratique.config import load
from pratique.errors import DataError, MissingError, StorageError, UnavailableError
from pratique.ledger import open_ledger
from pratique.telemetry import collector as module
from pratique.telemetry import line_keys
from pratique.telemetry.collector import Collector
from pratique.telemetry.collector_status import CollectorStatus

START_MS = 1_795_226_000_000


class World:
    """A collector, its clock, and what it has written."""

    def __init__(self, folder, monkeypatch):
        (folder / "pratique.toml").write_text("[telemetry]\nwindow_s = 1\nlate_s = 2\n[services.shop]\n")
        self.now_ms, self.written, self.config = START_MS, {}, load(folder / "pratique.toml")
        self.away, self.order, self.copies, self.rows = False, [], Counter(), {}
        monkeypatch.setattr(module, "now_ms", lambda: self.now_ms)
        self.open()

    def open(self):
        self.status = CollectorStatus(utc_now())
        self.collector = Collector(self.config, self, self.status)

    def write(self, rollups):
        if self.away:
            raise UnavailableError("the store is away")
        self.order += rollups.table["window"].cast("int64").to_pylist()
        rows = rollups.table.to_pylist()
        self.copies.update({(row["window"], row["service"]) for row in rows})
        for row in rows:
            self.written[row["window"], row["revision"], row["action"]] = row["n"]
            self.rows[row["window"], row["service"], row["revision"], row["action"]] = row["n"]

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


@pytest.mark.slow
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


@pytest.fixture
def patient(world):
    """A world that takes late lines for a minute, and has two services."""
    (world.config.state_dir.parent / "pratique.toml").write_text(
        "[telemetry]\nwindow_s = 1\nlate_s = 60\n[services.shop]\n[services.cart]\n"
    )
    world.collector.close()
    world.config = load(world.config.state_dir.parent / "pratique.toml")
    world.open()
    return world


@pytest.mark.slow
def test_a_window_with_late_lines_all_the_time_is_written_seven_times(patient):
    """All lines are in the store finally, and no window stays in memory."""
    for step in range(650):
        if step < 600:
            patient.receive(step * 100)
        patient.tick(wait=True)
        patient.now_ms += 100
    [(window, service)] = patient.copies
    assert (service, patient.copies[window, service]) == ("shop", 7)
    assert sum(patient.written.values()) == patient.status.received == 600
    assert len(patient.collector._windows) == 0


@pytest.mark.parametrize("age_s", [3, 8, 20, 40, 59])
def test_the_first_late_line_is_written_at_once_and_the_next_one_soon(patient, age_s):
    patient.receive()
    for _ in range(age_s):
        patient.now_ms += 1000
        patient.tick(wait=True)
    for count in (2, 3):
        patient.receive(age_s * 1000)
        patient.tick(wait=True)
        if count == 2:
            assert sum(patient.written.values()) == 2
    for _ in range(age_s + 2):
        patient.now_ms += 1000
        patient.tick(wait=True)
    assert sum(patient.written.values()) == 3


def test_services_without_late_lines_are_not_written_again(patient):
    patient.receive(s="cart")
    patient.receive()
    patient.now_ms += 1500
    patient.tick(wait=True)
    patient.away = True
    patient.receive(1500)
    patient.now_ms += 1000
    patient.tick(wait=True)
    patient.away = False
    patient.receive(2500, r="r2")
    patient.collector._retry_at = 0.0
    patient.tick(wait=True)
    assert sorted(count for count in patient.copies.values()) == [1, 2]
    assert {revision: n for (_, revision, _), n in patient.written.items()} == {"r1": 2, "r2": 1}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_late_lines_survive_failed_writes_and_kills_and_count_once(patient, seed):
    chance, sent = random.Random(seed), Counter()
    for _ in range(900):
        age = chance.choice([0, 0, 300, 1500, 5000, 20_000, 55_000])
        action = chance.choice("abc")
        sent[(patient.now_ms - age) // 1000, action] += 1
        patient.receive(age, p=f"/{action}", s=chance.choice(["shop", "cart"]))
        patient.away = chance.random() < 0.1
        if chance.random() < 0.02:
            # a killed collector closes nothing
            patient.collector.sync()
            patient.collector._settle(10)
            patient.collector._spool._file.close()
            patient.open()
        patient.collector._retry_at = 0.0
        patient.tick(wait=chance.random() < 0.8)
        patient.now_ms += chance.choice([50, 100, 400])
    patient.away = False
    patient.now_ms += 70_000
    for _ in range(100):
        patient.collector._retry_at = 0.0
        patient.tick(wait=True)
    assert patient.status.late == 0
    assert len(patient.collector._windows) == 0
    found = Counter()
    for (window, _, _, action), n in patient.rows.items():
        found[int(window.timestamp()), action.rpartition("/")[2]] += n
    assert found == sent


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


def test_lines_of_services_that_are_not_declared_are_counted_and_not_stored(world):
    for number in range(50):
        world.receive(s=f"s{number}")
    world.receive()
    assert (world.status.received, world.status.undeclared) == (1, 50)
    assert "50 lines of services that are not declared" in world.status.to_text()


def test_made_up_names_are_stored_as_other_and_the_real_ones_as_they_are(world, monkeypatch):
    monkeypatch.setattr(line_keys, "MOST_REVISIONS", 5)
    monkeypatch.setattr(line_keys, "MOST_HOSTS", 5)
    open_ledger(world.config.state_dir).bind("shop", "r2", "sha256:2")
    for number in range(50):
        world.receive(r=f"rev{number}", h=f"host{number}", p=f"/a{number}/b", c=100 + number)
    world.receive(r="r2", h="new")
    world.now_ms += 2000
    world.tick(wait=True)
    found = {}
    for (_, revision, _), count in world.written.items():
        found[revision] = found.get(revision, 0) + count
    assert (found["r2"], len(found), world.status.folded) == (1, 7, 46)
    assert '46 lines are stored under the name "other"' in world.status.to_text()


def test_keys_of_a_window_have_a_bound(world, monkeypatch):
    monkeypatch.setattr(line_keys, "MOST_KEYS", 50)
    for number in range(500):
        world.receive(p=f"/a{number % 100}x/b", c=200 + number % 7, h=f"h{number % 20}")
    [window] = world.collector._windows.values()
    assert len(window.cells) <= 50 + 7
    assert sum(cell.n for cell in window.cells.values()) == world.status.received == 500


def test_windows_with_many_keys_are_written_one_after_the_other(world, monkeypatch):
    monkeypatch.setattr(module, "MOST_KEYS_IN_WRITE", 5)
    writes = []
    monkeypatch.setattr(world, "write", lambda rollups: writes.append(len(rollups)))
    for age in (0, 1000, 2000):
        for number in range(4):
            world.receive(age, c=200 + number)
    world.collector._flush()
    assert writes == [4, 4, 4]


@pytest.mark.parametrize(
    ("name", "content", "way_out"),
    [
        ("facts.json", "{", "move the folder"),
        ("facts.json", "[]", "move the folder"),
        ("facts.json", '{"epoch": null}', "move the folder"),
        ("old.spool", "", "move it out of the folder"),
    ],
)
def test_damaged_file_of_the_spool_is_named_with_a_way_out(world, name, content, way_out):
    world.collector.close()
    (world.config.state_dir / "collector" / "spool" / name).write_text(content)
    with pytest.raises(DataError, match=f"{name}.*{way_out}"):
        world.open()


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


@pytest.mark.parametrize(
    "change",
    [{"c": True}, {"c": 200.9}, {"r": ["x"]}, {"r": {"a": 1}}, {"s": True}, {"q": 1.5}, {"t": False}, {"h": []}],
)
def test_value_of_another_type_is_malformed(world, change):
    world.receive(**change)
    assert (world.status.received, world.status.malformed) == (0, 1)


class Refusing:
    """A store that takes no write: its bucket does not exist, or it answers only after a while."""

    def __init__(self, answer_s=0.0):
        self.answer_s = answer_s

    def write(self, rollups):
        time.sleep(self.answer_s)
        raise MissingError("no such bucket")


def elsewhere(world):
    """The configuration with another address of the store."""
    return world.config.model_copy(update={"store": world.config.store.model_copy(update={"url": "elsewhere"})})


def test_what_a_wrong_store_did_not_take_is_written_to_the_right_one(world):
    right = world.collector._store
    world.collector._store = Refusing()
    for _ in range(3):
        world.receive()
    world.now_ms += 2000
    world.tick(wait=True)
    world.tick()
    assert (world.status.error, world.written) == ("no such bucket", {})
    assert world.collector.follow(elsewhere(world), right)
    assert sum(world.written.values()) == 3
    assert world.status.error is None


@pytest.mark.slow
def test_windows_whose_write_goes_on_are_kept_when_the_settings_change(world, monkeypatch):
    right = world.collector._store
    world.collector._store = Refusing(0.5)
    monkeypatch.setattr(module, "FLUSH_TIMEOUT_S", 0.05)
    world.receive()
    world.now_ms += 2000
    world.tick()
    assert not world.collector.follow(elsewhere(world), right)
    world.tick(wait=True)
    world.collector._flush()
    assert sum(world.written.values()) == 1


def test_a_declared_format_is_counted_and_spooled_without_its_query(world):
    log_format = "%ci %ST [%tr] %TR %Tr %Ta %rc %b %s %{+Q}r %HU"
    text = f"[telemetry]\nwindow_s = 1\nlate_s = 2\n[services.shop.imports]\nlog_format = '{log_format}'\nrevision_from = 'server'\n"
    (world.config.state_dir.parent / "pratique.toml").write_text(text)
    world.collector.close()
    world.config = load(world.config.state_dir.parent / "pratique.toml")
    world.open()
    time = "19/Nov/2026:01:53:20.000"
    world.now_ms = 1_795_053_200_000
    world.collector.receive(
        f'<134>Nov 19 01:53:20 haproxy[7]: 192.0.2.7 502 [{time}] 0 5 9 +3 be r2 "GET /a?token=x HTTP/1.1" /a?token=x'.encode()
    )
    assert (world.status.received, world.status.failed_attempts) == (1, {"shop": {"r2": 3}})
    world.collector.close()
    spooled = b"".join(path.read_bytes() for path in world.config.state_dir.rglob("*.spool"))
    assert b"/a" in spooled
    assert b"token" not in spooled
    world.written.clear()
    world.open()
    world.collector.close()
    assert [(key[1:], n) for key, n in world.written.items()] == [(("r2", "GET /a"), 1)]


def outage(world, minutes):
    """One line a second while the store is away."""
    world.away = True
    for _ in range(60 * minutes):
        world.receive()
        world.now_ms += 1000
        world.collector._retry_at = 0.0
        world.tick(wait=True)


def back(world):
    """The store takes writes again, until nothing waits."""
    world.away = False
    world.now_ms += 5000
    for _ in range(20):
        world.collector._retry_at = 0.0
        world.tick(wait=True)


@pytest.mark.slow
def test_windows_of_a_long_outage_leave_memory_and_are_written_in_order(world):
    outage(world, 4)
    assert len(world.collector._windows) < 70
    assert world.status.waiting == 240
    assert world.status.unstored_ms == START_MS
    assert len(list((world.config.state_dir / "collector/unstored").iterdir())) <= 4
    back(world)
    assert sum(world.written.values()) == len(world.written) == 240
    assert world.order[:150] == sorted(world.order[:150])
    assert (world.status.waiting, world.status.unstored_ms, world.status.error) == (0, None, None)
    assert list((world.config.state_dir / "collector/unstored").iterdir()) == []


@pytest.mark.slow
def test_windows_of_an_outage_survive_a_kill_and_count_once(world):
    outage(world, 3)
    # a killed collector closes nothing
    world.collector.sync()
    world.collector._spool._file.close()
    world.open()
    outage(world, 2)
    back(world)
    assert sum(world.written.values()) == 300
    assert max(world.written.values()) == 1


@pytest.mark.slow
def test_lines_beyond_the_size_of_the_spool_are_refused_and_counted(world, monkeypatch):
    monkeypatch.setattr(module, "BACKLOG_S", -1.0)
    monkeypatch.setattr(module, "SEGMENT_S", -1.0)
    outage(world, 3)
    size = world.collector._unstored.size_bytes + world.collector._spool.size_bytes
    telemetry = world.config.telemetry.model_copy(update={"spool_mb": size / 2e6})
    world.collector._config = world.config.model_copy(update={"telemetry": telemetry})
    world.tick()
    world.receive()
    assert world.status.unkept == 1
    assert "telemetry.spool_mb was full" in world.status.to_text()
    back(world)
    world.receive()
    assert world.status.unkept == 1
    assert sum(world.written.values()) == 180


@pytest.mark.slow
def test_a_damaged_file_of_an_outage_costs_its_windows_only(world):
    outage(world, 5)
    damaged = sorted((world.config.state_dir / "collector/unstored").iterdir())[1]
    windows = int(damaged.name.split("-")[2])
    damaged.write_bytes(b"x" * 100)
    back(world)
    assert sum(world.written.values()) == 300 - windows
    assert world.status.damaged == 1


def test_settings_whose_sink_cannot_be_opened_leave_the_addresses_as_they_were(world, monkeypatch, capsys):
    moves, followed = [], []
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    other = world.config.model_copy(
        update={"telemetry": world.config.telemetry.model_copy(update={"listen": "127.0.0.1:1"})}
    )

    def fails():
        raise StorageError("'remote-write.sqlite' cannot be written")

    reload = module._Reload(
        SimpleNamespace(follow=lambda *given: followed.append(given)),
        SimpleNamespace(move=lambda settings, *, listen: moves.append(settings.listen)),
        world.status,
        world.config.telemetry,
        None,
        lambda: (other, fails),
    )
    reload._ask()
    reload.when_asked()
    assert moves == ["127.0.0.1:1", world.config.telemetry.listen]
    assert followed == []
    assert "the settings stay as they are: 'remote-write.sqlite' cannot be written" in capsys.readouterr().err


def test_windows_that_cannot_be_read_for_now_are_written_later(world, monkeypatch):
    outage(world, 2)

    def fails(*_):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("pratique.telemetry.unstored_windows.pa.OSFile", fails)
        back(world)
        assert "windows that wait for the store cannot be read" in world.status.to_text()
    back(world)
    assert (sum(world.written.values()), world.status.damaged, world.status.error) == (120, 0, None)
