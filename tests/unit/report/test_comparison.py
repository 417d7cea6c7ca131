"""The verdict and the figures of a comparison come from one read of the store."""

from datetime import timedelta

import pytest

from pratique.config import Config, StoreSettings
from pratique.errors import MissingError, UsageError
from pratique.report import judge_stored, open_comparison
from pratique.report.comparison import check_comparison
from pratique.store import open_store
from pratique.store.delta import DeltaStore
from support.report_samples import START, sample_rollups

STEP = timedelta(minutes=1)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store with the sample canary; the working folder has no service file."""
    monkeypatch.chdir(tmp_path)
    found = open_store(str(tmp_path / "store"))
    found.write(sample_rollups(minutes=10, history=5))
    return found


@pytest.fixture
def reads(store, monkeypatch):
    """Every read of rows; after each, the collector writes more rows for the same windows."""
    found = []
    original = DeltaStore.read

    def read(self, *args, **kwargs):
        rows = original(self, *args, **kwargs)
        found.append(rows)
        store.write(sample_rollups(minutes=10, seed=len(found), names={"web0": "late", "web1": "late"}))
        return rows

    monkeypatch.setattr(DeltaStore, "read", read)
    return found


def test_the_figures_show_the_judged_rows_while_others_arrive(store, reads, tmp_path):
    comparison = open_comparison("shop", "r2", "r3", store=str(tmp_path / "store"))
    assert len(reads) == 1
    drawn = {revision: comparison.series.total(revision) for revision in comparison.series.revisions}
    assert drawn == comparison.verdict.requests
    assert comparison.rows == len(reads[0])


@pytest.mark.parametrize("seconds", [1, 44, 60])
def test_the_figures_have_the_judged_requests_for_any_range(store, tmp_path, seconds):
    end = START + 6 * STEP + timedelta(seconds=seconds)
    comparison = open_comparison(
        "shop", "r2", "r3", store=str(tmp_path / "store"), start=(START + STEP).isoformat(), end=end.isoformat()
    )
    drawn = {revision: comparison.series.total(revision) for revision in comparison.series.revisions}
    assert drawn == comparison.verdict.requests


def test_compare_and_report_come_to_the_same_verdict(store, tmp_path):
    config = Config(store=StoreSettings(url=str(tmp_path / "store")), state=str(tmp_path))
    compared = judge_stored(config, "shop", "r2", "r3").to_json()
    assert open_comparison("shop", "r2", "r3", store=str(tmp_path / "store")).verdict.to_json() == compared


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        ({"canary": "r9"}, MissingError, "no revision 'r9' of 'shop' in the store"),
        ({"service": "shopp"}, MissingError, "no service 'shopp'"),
        ({"canary": "r2"}, UsageError, "baseline and canary are both 'r2'"),
        ({"start": "yesterday"}, UsageError, "'yesterday' is not a time"),
        ({"end": "2020-01-01"}, MissingError, "no request of 'r2' from the beginning to 2020-01-01"),
        ({"weight": 100.0}, UsageError, "not a percentage"),
        ({"store": "nowhere"}, MissingError, r"nowhere' does not exist"),
    ],
)
def test_wrong_parameters_are_refused_without_a_read_of_rows(reads, tmp_path, wrong, kind, message):
    right = {"service": "shop", "baseline": "r2", "canary": "r3", "start": "", "end": "", "weight": 0.0, "config": ""}
    given = right | {"store": str(tmp_path / "store"), "out": ""}
    check_comparison(given)
    check_comparison(given | {"service": "", "baseline": "", "canary": ""})
    with pytest.raises(kind, match=message):
        check_comparison(given | wrong)
    assert reads == []


@pytest.mark.parametrize(("start", "is_read"), [("2026-01-01T00:00", True), ("", False)])
def test_a_range_that_is_older_than_a_servers_last_hours_is_read(monkeypatch, tmp_path, start, is_read):
    class Server:
        """Only requests of long ago, which a look at the last hours does not see."""

        def exists(self):
            return False

        def revisions(self, service=None, start=None, end=None):
            raise MissingError("asked for the range")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pratique.store.open_store", lambda *_: Server())
    given = {"service": "shop", "baseline": "r1", "canary": "r2", "start": start, "end": "", "weight": 0.0}
    with pytest.raises(MissingError, match="asked for the range" if is_read else "has no requests"):
        check_comparison(given | {"config": "", "store": "prometheus://127.0.0.1:9"})
