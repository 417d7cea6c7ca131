"""A collector whose settings change in the middle of a run or between two: each line is counted once."""

import json
from collections import Counter
from datetime import timedelta

import pytest

from pratique.clock import utc_now
from pratique.config import Config
from pratique.errors import StorageError
from pratique.telemetry import collector as module
from pratique.telemetry.collector import Collector
from pratique.telemetry.collector_settings import differences, settings_of
from pratique.telemetry.collector_status import CollectorStatus, setting_differences
from pratique.telemetry.rollups import KEY

START_MS = 1_795_226_000_000


class Books:
    """A store that replaces rows with the same key, as a real one does."""

    def __init__(self):
        self.rows, self.broken = {}, False

    def write(self, rollups):
        if self.broken:
            raise StorageError("the disk is full")
        for row in rollups.table.to_pylist():
            self.rows[tuple(row[name] for name in KEY)] = row

    def of(self, name):
        totals = Counter()
        for row in self.rows.values():
            totals[row[name]] += row["n"]
        return dict(totals)


BEFORE = {"telemetry": {"window_s": 10}, "services": {"shop": {"actions": [{"path": "/a", "action": "A"}]}}}
CHANGES = {
    "a shorter window": {"telemetry": {"window_s": 2}},
    "a longer window": {"telemetry": {"window_s": 60}},
    "windows that do not divide": {"telemetry": {"window_s": 7}},
    "the name of an action": {"services": {"shop": {"actions": [{"path": "/a", "action": "B"}]}}},
    "no rules": {"services": {}},
    "the host": {"telemetry": {"window_s": 10, "host": "elsewhere"}},
    "the time zone": {"telemetry": {"window_s": 10, "httplog": {"timezone": "Asia/Tokyo"}}},
    "the revision's field": {"telemetry": {"window_s": 10, "httplog": {"revision_from": "server:^(a)"}}},
    "the time for late lines": {"telemetry": {"window_s": 10, "late_s": 5}},
    "the addresses": {"telemetry": {"window_s": 10, "listen": "127.0.0.1:1"}},
    "the store": {"store": {"url": "another"}},
}
"""Settings to change, each in place of its table in BEFORE."""


class Changing:
    """A collector whose settings change while lines arrive: in the middle of a run, or between two."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.now_ms, self.books, self.sent = folder, START_MS, Books(), 0
        monkeypatch.setattr(module, "now_ms", lambda: self.now_ms)
        self.open(BEFORE)

    def settings(self, given):
        return Config.model_validate({**given, "base": str(self.folder)})

    def open(self, given):
        self.status = CollectorStatus(utc_now())
        self.collector = Collector(self.settings(given), self.books, self.status)

    def kill(self):
        """Leave everything as a kill does; the synced lines are on disk."""
        self.collector.sync()
        self.collector._writer.shutdown()
        self.collector._spool._file.close()
        self.collector._logs.close()

    def traffic(self, seconds):
        for _ in range(seconds * 5):
            body = {"t": self.now_ms, "s": "shop", "r": "r1", "m": "GET", "p": "/a", "c": 200, "d": 1.0, "b": "b"}
            self.collector.receive(f"<134>1 - h app - - - {json.dumps(body | {'q': self.sent})}".encode())
            self.sent += 1
            self.now_ms += 200
            if self.sent % 7 == 0:
                self.collector.sync()
                self.collector.tick()


@pytest.fixture
def changing(tmp_path, monkeypatch):
    found = Changing(tmp_path, monkeypatch)
    yield found
    found.collector.close()


@pytest.mark.parametrize("when", ["in the middle of a run", "between two runs", "after a kill"])
@pytest.mark.parametrize("change", CHANGES)
def test_each_line_is_counted_once_when_a_setting_changes(changing, change, when):
    after = BEFORE | CHANGES[change]
    changing.traffic(23)
    if when == "in the middle of a run":
        assert changing.collector.follow(changing.settings(after), changing.books)
    else:
        changing.kill() if when == "after a kill" else changing.collector.close()
        changing.open(after)
    changing.traffic(23)
    changing.collector.close()
    for _ in range(2):
        assert sum(changing.books.of("n").values()) > 0
        assert sum(row["n"] for row in changing.books.rows.values()) == changing.sent
        assert changing.status.duplicates == changing.status.lost_on_way == 0
        assert changing.status.settings == settings_after(changing, after)
        changing.open(after)
        changing.collector.close()


def settings_after(changing, after):
    config = changing.settings(after)
    return settings_of(config.telemetry, config.store, config.services, config.export)


def test_rows_before_a_change_keep_their_windows_and_names(changing):
    changing.traffic(25)
    changing.collector.close()
    changing.open(
        BEFORE | {"telemetry": {"window_s": 2}, "services": {"shop": {"actions": [{"path": "/a", "action": "B"}]}}}
    )
    changing.traffic(25)
    changing.collector.close()
    assert changing.books.of("window_s") == {10: 125, 2: 125}
    assert changing.books.of("action") == {"A": 125, "B": 125}


def test_a_change_is_remembered_with_its_time_for_the_verdicts_of_that_time(changing):
    began = utc_now()
    changing.traffic(5)
    changing.collector.close()
    for actions in ([{"path": "/a", "action": "B"}], [{"path": "/a", "action": "B"}], []):
        changing.open(BEFORE | {"services": {"shop": {"actions": actions}}})
        changing.collector.close()
    first, second = changing.status.changes_in("shop", began)
    assert first.startswith("services.shop.actions changed from [{")
    assert '"action": "B"' in second
    assert changing.status.changes_in("other", began) == []
    assert changing.status.changes_in("shop", began - timedelta(hours=1), began) == []
    assert changing.status.changes_in("shop", utc_now()) == []


def test_a_store_that_takes_no_write_keeps_the_old_settings_until_it_does(changing, monkeypatch):
    monkeypatch.setattr(module, "FLUSH_TIMEOUT_S", 0.2)
    monkeypatch.setattr(module, "RETRY_S", (0.0,))
    changing.traffic(5)
    changing.books.broken = True
    shorter = changing.settings(BEFORE | {"telemetry": {"window_s": 2}})
    assert not changing.collector.follow(shorter, changing.books)
    assert changing.status.settings["telemetry"]["window_s"] == 10
    changing.traffic(5)
    changing.books.broken = False
    changing.traffic(30)
    assert changing.status.settings["telemetry"]["window_s"] == 2
    changing.collector.close()
    assert sum(row["n"] for row in changing.books.rows.values()) == changing.sent
    assert changing.books.of("window_s").keys() == {10, 2}


def test_two_collectors_on_one_store_add_up(tmp_path, monkeypatch):
    books = Books()
    for folder in ("one", "other", "one"):
        found = Changing(tmp_path / folder, monkeypatch)
        found.books = found.collector._store = books
        found.traffic(10)
        found.collector.close()
    assert len(books.of("source")) == 2
    assert sum(books.of("source").values()) == 3 * 50 - 50, "the third repeats the lines of the first"


def test_the_source_of_an_older_collector_is_left_without_counting_its_open_windows_twice(changing):
    changing.traffic(15)
    changing.collector.close()
    spool = changing.folder / ".pratique/collector/spool"
    changing.books.rows = {
        (*key[:-1], "collector"): row | {"source": "collector"} for key, row in changing.books.rows.items()
    }
    (spool / "facts.json").write_text('{"epoch": 0, "closed_ms": 0}')
    changing.open(BEFORE)
    changing.traffic(5)
    changing.collector.close()
    assert changing.books.of("source")["collector"] == 75
    assert sum(changing.books.of("source").values()) == changing.sent
    assert len(changing.books.of("source")) == 2


def given(**changed):
    config = Config.model_validate({**BEFORE, **changed})
    return settings_of(config.telemetry, config.store, config.services, config.export)


@pytest.mark.parametrize("change", CHANGES)
def test_a_difference_gives_the_setting_and_both_values(change):
    [found] = [
        line for line in differences(given(), given(**CHANGES[change])) if "window_s" not in line or "window" in change
    ]
    assert found.startswith("the collector runs with ")
    assert ", the service file says " in found
    assert differences(given(), given()) == []
    assert differences({}, given()) == [], "a collector of an older version"


def test_a_collector_at_every_address_hears_the_one_of_the_service_file():
    everywhere = given(telemetry={"window_s": 10, "listen": "0.0.0.0:5514"})
    assert differences(everywhere, given()) == []
    assert len(differences(given(), everywhere)) == 1


def test_two_spellings_of_a_folder_are_no_difference(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    assert differences(given(store={"url": str(tmp_path / "link/s")}), given(store={"url": f"{tmp_path}/./s"})) == []


def test_of_two_long_lists_the_members_that_differ_are_shown():
    alike = [{"path": f"/{number}"} for number in range(20)]
    before = {"services": {"shop": {"actions": [*alike, {"path": "/cart"}]}}}
    after = {"services": {"shop": {"actions": [*alike, {"path": "/basket"}]}}}
    (text,) = differences(before, after)
    assert '[{"path": "/cart"}]' in text
    assert '[{"path": "/basket"}]' in text


def test_a_service_that_was_renamed_is_said_in_words(tmp_path):
    running = Config.model_validate({"services": {"shop": {}}})
    wanted = Config.model_validate({"services": {"store": {}}})
    status = CollectorStatus(
        utc_now(), settings=settings_of(running.telemetry, running.store, running.services, running.export)
    )
    (tmp_path / "collector").mkdir()
    status.write(tmp_path)
    found = setting_differences(tmp_path, settings_of(wanted.telemetry, wanted.store, wanted.services, wanted.export))
    assert found == [
        "the collector drops the lines of store: its service file did not name that service when it read it"
    ]
