"""Lost lines of a log are kept by source, and found again by time range."""

from datetime import UTC, datetime

import pytest

from pratique.errors import DataError
from pratique.telemetry.lost_lines import LostLines, lost_lines, record_lost_lines

NINE, TEN = (datetime(2026, 11, 20, hour, tzinfo=UTC) for hour in (9, 10))
MS = int(NINE.timestamp() * 1000)


def test_lost_lines_are_kept_by_source_and_replaced(tmp_path):
    record_lost_lines(tmp_path, "shop", LostLines("a", MS, MS + 60_000, 90, {"no time": 10}, {"r2": 4}))
    record_lost_lines(tmp_path, "shop", LostLines("b", MS, MS + 60_000, 90, {"no time": 1}))
    record_lost_lines(tmp_path, "shop", LostLines("a", MS, MS + 60_000, 95, {"no time": 5}, {"r2": 2}))
    assert {lost.source: lost.total for lost in lost_lines(tmp_path, "shop", None, None, store="s")} == {"a": 5, "b": 1}
    record_lost_lines(tmp_path, "shop", LostLines("b", MS, MS + 60_000, 91))
    assert [lost.source for lost in lost_lines(tmp_path, "shop", NINE, TEN, store="s")] == ["a"]
    assert not lost_lines(tmp_path, "shop", TEN, None, store="s")
    assert not lost_lines(tmp_path, "other", None, None, store="s")


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"a": 1}', '{"a": {"b": 1}}', "[" * 100_000])
def test_corrupt_record_is_an_error(tmp_path, content):
    (tmp_path / "lost").mkdir()
    (tmp_path / "lost" / "shop.json").write_text(content)
    with pytest.raises(DataError, match="import the logs again"):
        lost_lines(tmp_path, "shop", None, None, store="s")
    with pytest.raises(DataError, match="import the logs again"):
        record_lost_lines(tmp_path, "shop", LostLines("a", MS, MS, 1, {"no time": 1}))


def test_lines_are_missing_only_in_the_store_that_they_were_imported_into(tmp_path):
    record_lost_lines(tmp_path, "shop", LostLines("a", MS, MS + 60_000, 90, {"no time": 10}, store="one"))
    record_lost_lines(tmp_path, "shop", LostLines("a", MS, MS + 60_000, 90, {"no time": 3}, store="two"))
    assert [lost.total for lost in lost_lines(tmp_path, "shop", NINE, TEN, store="one")] == [10]
    assert not lost_lines(tmp_path, "shop", NINE, TEN, store="three")
