"""Each fault of a store is one line; looking at it changes nothing."""

import os
from datetime import timedelta
from types import SimpleNamespace

import pytest

from contract.store_contract import rollups, row
from pratique.check import store as check_store
from pratique.check.store import store_checks
from pratique.clock import utc_now
from pratique.config import Config, StoreSettings
from pratique.store import open_store
from support.other_user import NOBODY, needs_root, shared_folder


def findings(url):
    """State and message of each check of a store."""
    config = Config(store=StoreSettings(url=str(url)))
    return [(found.state, found.message) for found in (check.run() for check in store_checks(config))]


def problems(url):
    return [message for state, message in findings(url) if state == "problem"]


def test_a_store_that_is_not_made_yet_is_well(tmp_path):
    found = findings(tmp_path / "store")
    assert found[0] == ("ok", f"{tmp_path}/store will be created; it has no data yet")
    assert {state for state, _ in found} == {"ok"}
    assert not list(tmp_path.iterdir())


def test_a_store_with_data_is_well(tmp_path):
    open_store(str(tmp_path / "store")).write(rollups(row(0), row(1)))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    found = findings(tmp_path / "store")
    assert found[0] == ("ok", f"{tmp_path}/store can be written; it has data")
    assert found[2][1].startswith("1 file with 2 rows")
    assert {state for state, _ in found} == {"ok"}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_something_that_is_not_a_store_is_one_problem_and_the_rest_is_skipped(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    states = [state for state, _ in findings(tmp_path)]
    assert states == ["problem", "skipped", "skipped", "skipped"]
    assert "has no _delta_log but has 'notes.txt'" in problems(tmp_path)[0]
    assert "is a file, not a folder" in problems(tmp_path / "notes.txt")[0]


@pytest.mark.parametrize(
    ("url", "message"), [("ftp://host/x", "unknown scheme"), ("s3://a:secret@b/c", "holds credentials")]
)
def test_an_address_that_cannot_be_is_a_problem(url, message):
    assert message in problems(url)[0]


def test_a_damaged_log_is_a_problem(tmp_path):
    open_store(str(tmp_path / "store")).write(rollups(row(0)))
    for entry in (tmp_path / "store" / "_delta_log").glob("*.json"):
        entry.write_text("{")
    assert "damaged" in problems(tmp_path / "store")[0]


def test_a_data_file_that_is_gone_is_a_problem(tmp_path):
    open_store(str(tmp_path / "store")).write(rollups(row(0)))
    (part,) = (tmp_path / "store").rglob("*.parquet")
    part.unlink()
    assert [
        part.name in message and "restore it from a backup" in message for message in problems(tmp_path / "store")
    ] == [True]


def test_leftovers_of_a_killed_writer_name_the_command_that_deletes_them(tmp_path):
    open_store(str(tmp_path / "store")).write(rollups(row(0)))
    (part,) = (tmp_path / "store").rglob("*.parquet")
    left = part.with_name("part-killed.zstd.parquet")
    left.write_bytes(b"x" * 1_000_000)
    a_week_ago = utc_now().timestamp() - 7 * 86_400
    os.utime(left, (a_week_ago, a_week_ago))
    (warning,) = [message for state, message in findings(tmp_path / "store") if state == "warning"]
    assert warning.endswith("no reader needs 1 others, 1.0 MB: delete them with: pratique store maintain")


@pytest.mark.parametrize(
    ("free", "state", "words"),
    [(1000, "problem", "is full"), (10**8, "warning", "space is low"), (10**10, "ok", "10.0 GB free")],
)
def test_space_on_the_disk(tmp_path, monkeypatch, free, state, words):
    monkeypatch.setattr(check_store.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    found = findings(tmp_path / "store")[1]
    assert found[0] == state
    assert words in found[1]


def test_a_window_in_the_future_means_a_wrong_clock(tmp_path):
    ahead = row(0) | {"window": (utc_now() + timedelta(hours=1)).replace(microsecond=0)}
    open_store(str(tmp_path / "store")).write(rollups(row(0), ahead))
    (warning,) = [message for state, message in findings(tmp_path / "store") if state == "warning"]
    assert "service 'shop' has a window of" in warning
    assert "clock" in warning


@needs_root
def test_a_store_of_somebody_else_is_a_problem():
    with shared_folder() as folder:
        open_store(str(folder / "store")).write(rollups(row(0)))
        os.setresuid(NOBODY, NOBODY, 0)
        try:
            found = problems(folder / "store")
        finally:
            os.setresuid(0, 0, 0)
    assert len(found) == 1
    assert "cannot be written by this user" in found[0]
