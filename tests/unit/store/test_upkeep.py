"""The files to merge and the files to drop, planned on lists of files without a table."""

from hypothesis import given
from hypothesis import strategies as st

from pratique.store.datafile import DAY_MS, MAX_ROWS
from pratique.store.snapshot import StoredFile
from pratique.store.upkeep import FANOUT, QUIET_MS, due, expired

NOW = 20_000 * DAY_MS


def file(name, rows=100, *, day=20_000, written_ms=NOW, service="shop", window=None):
    bounds = {} if window is None else {"window": (window, window)}
    return StoredFile(f"{name}.parquet", service, day, rows, rows * 20, written_ms, bounds)


def paths(groups):
    return [[member.path for member in group] for group in groups]


def test_few_small_files_are_not_merged_while_the_day_is_written():
    assert due([file(number) for number in range(FANOUT - 1)], NOW) == []
    assert len(due([file(number) for number in range(FANOUT)], NOW)) == 1


def test_only_files_of_similar_size_are_merged():
    big = [file(f"big{number}", 50_000) for number in range(FANOUT - 1)]
    small = [file(f"small{number}", 90) for number in range(FANOUT)]
    (group,) = due([*big, *small], NOW)
    assert sorted(member.path for member in group) == sorted(member.path for member in small)


def test_services_and_days_are_never_mixed():
    files = [
        file((service, day, number), service=service, day=day)
        for service in "ab"
        for day in (1, 2)
        for number in range(FANOUT)
    ]
    groups = due(files, NOW)
    assert len(groups) == 4
    assert all(len({member.partition for member in group}) == 1 for group in groups)


def test_finished_day_becomes_one_file():
    files = [file("a", 70_000, written_ms=NOW - QUIET_MS - 1), file("b", 3, written_ms=NOW - QUIET_MS - 1)]
    assert len(due(files, NOW)) == 1
    assert due([files[0], file("b", 3)], NOW) == []
    assert len(due([files[0], file("b", 3)], NOW, thorough=True)) == 1


def test_single_and_large_files_are_never_merged():
    assert due([file("a")], NOW, thorough=True) == []
    assert due([file(number, MAX_ROWS // 2) for number in range(20)], NOW, thorough=True) == []


@given(st.lists(st.integers(0, MAX_ROWS), max_size=40), st.booleans())
def test_merged_file_is_never_too_large_and_no_file_is_in_two_merges(sizes, thorough):
    groups = due([file(number, rows) for number, rows in enumerate(sizes)], NOW, thorough=thorough)
    assert all(sum(member.rows for member in group) <= MAX_ROWS for group in groups)
    merged = [path for group in paths(groups) for path in group]
    assert len(merged) == len(set(merged))


@given(st.lists(st.integers(1, 400), min_size=1, max_size=300))
def test_repeated_merging_leaves_few_files(sizes):
    files = []
    for number, rows in enumerate(sizes):
        files.append(file(f"new{number}", rows))
        for group in due(files, NOW):
            files = [kept for kept in files if kept not in group]
            files.append(file(f"merged{number}", sum(member.rows for member in group)))
    assert len(files) < 7 * FANOUT
    assert sum(kept.rows for kept in files) == sum(sizes)


def test_file_expires_when_its_windows_and_its_arrival_are_both_old():
    long_ago, lately = NOW - 91 * DAY_MS, NOW - DAY_MS
    cases = {
        "old": file("old", window=long_ago, written_ms=long_ago),
        "imported": file("imported", window=long_ago, written_ms=lately),
        "young": file("young", window=lately, written_ms=long_ago),
    }
    assert expired(cases.values(), 90, NOW) == [cases["old"]]
    assert expired(cases.values(), 0, NOW) == []


def test_file_without_statistics_expires_by_its_day():
    assert expired([file("a", day=20_000 - 91, written_ms=0)], 90, NOW) == []
    assert len(expired([file("a", day=20_000 - 92, written_ms=0)], 90, NOW)) == 1
