"""Windows that wait for the store as files: durable, in order, and bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.store_contract import rollups, row
from pratique.errors import DataError
from pratique.telemetry.unstored_windows import UnstoredWindows


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "unstored"


def test_rows_are_read_back_after_a_restart_in_the_order_in_which_they_were_added(folder):
    waiting = UnstoredWindows(folder)
    for window in range(3):
        waiting.add(
            rollups(row(window, n=window + 1), row(window, "r'2\n", code=500)), first_ms=1000 * window, windows=1
        )
    again = UnstoredWindows(folder)
    assert (again.windows, again.first_ms) == (3, 0)
    assert again.size_bytes == waiting.size_bytes == sum(path.stat().st_size for path in folder.iterdir())
    found = again.read(again.oldest(100)).table
    expected = rollups(*(one for w in range(3) for one in (row(w, n=w + 1), row(w, "r'2\n", code=500)))).table
    assert found.equals(expected)


@given(st.lists(st.integers(1, 6), max_size=6), st.integers(1, 10))
def test_files_are_taken_together_up_to_a_number_of_rows(tmp_path_factory, sizes, most):
    waiting = UnstoredWindows(tmp_path_factory.mktemp("unstored"))
    for number, size in enumerate(sizes):
        waiting.add(rollups(*(row(number, f"r{one}") for one in range(size))), first_ms=number, windows=1)
    taken = []
    while files := waiting.oldest(most):
        assert len(files) == 1 or sum(file.rows for file in files) <= most
        taken += [file.first_ms for file in files]
        waiting.remove(files)
    assert taken == list(range(len(sizes)))
    assert (waiting.windows, waiting.first_ms, waiting.size_bytes) == (0, None, 0)


def test_a_damaged_file_is_named_and_left_out(folder):
    waiting = UnstoredWindows(folder)
    for window in range(2):
        waiting.add(rollups(row(window)), first_ms=window, windows=1)
    first = min(folder.iterdir())
    first.write_bytes(first.read_bytes()[:100])
    with pytest.raises(DataError, match=r"is damaged, so 1 window from 1970-01-01 00:00:00Z on cannot be written"):
        waiting.read(waiting.oldest(100))
    assert [file.first_ms for file in waiting.oldest(100)] == [1]
    assert len(waiting.read(waiting.oldest(100))) == 1
    assert [path.name for path in folder.glob("*.damaged")] == [f"{first.name}.damaged"]


def test_a_file_that_cannot_be_opened_for_now_is_kept(folder, monkeypatch):
    waiting = UnstoredWindows(folder)
    waiting.add(rollups(row()), first_ms=0, windows=1)

    def fails(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("pratique.telemetry.unstored_windows.pa.OSFile", fails)
    with pytest.raises(OSError, match="Too many open files"):
        waiting.read(waiting.oldest(100))
    assert waiting.windows == 1
    assert list(folder.glob("*.damaged")) == []


def test_a_file_of_another_program_is_refused(folder):
    folder.mkdir()
    (folder / "other.arrow").write_text("")
    with pytest.raises(DataError, match="is no file of the collector: move it out of the folder"):
        UnstoredWindows(folder)


def test_files_are_for_their_owner_only(folder):
    UnstoredWindows(folder).add(rollups(row()), first_ms=0, windows=1)
    assert all(path.stat().st_mode & 0o077 == 0 for path in (folder, *folder.iterdir()))
