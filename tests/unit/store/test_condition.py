"""What the log of a Delta store names is compared with the files that are there."""

import pytest

from contract.store_contract import rollups, row
from pratique.store import open_store
from pratique.store.condition import condition_of


def test_a_store_without_a_write_has_no_condition(tmp_path):
    assert condition_of(str(tmp_path / "a")) is None


def test_files_rows_and_leftovers_are_counted(tmp_path):
    store = open_store(str(tmp_path / "a"))
    store.write(rollups(row(0), row(1)))
    whole = condition_of(str(tmp_path / "a"))
    assert (whole.files, whole.rows, whole.damaged, whole.unneeded) == (1, 2, (), 0)
    (part,) = (tmp_path / "a").rglob("*.parquet")
    assert whole.size == part.stat().st_size
    (part.parent / "part-killed.zstd.parquet").write_bytes(b"x" * 100)
    assert condition_of(str(tmp_path / "a")).damaged == ()


@pytest.mark.slow
def test_a_file_that_is_gone_or_cut_is_damaged(tmp_path):
    store = open_store(str(tmp_path / "a"))
    store.write(rollups(row(0)))
    (part,) = (tmp_path / "a").rglob("*.parquet")
    part.write_bytes(part.read_bytes()[:50])
    assert condition_of(str(tmp_path / "a")).damaged == (str(part.relative_to(tmp_path / "a")),)
    part.unlink()
    assert len(condition_of(str(tmp_path / "a")).damaged) == 1
