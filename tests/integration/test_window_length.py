"""A store with windows of several lengths: the numbers of a report are those of the events in windows within the range."""

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from pratique.errors import MissingError
from pratique.report import open_comparison

pytestmark = pytest.mark.slow
BEGIN = datetime(2026, 5, 4, 10, tzinfo=UTC)
MINUTE_MS = 60_000


def event(number, start_ms):
    """50 requests a second, a third of them of the canary, 1 in 40 fails."""
    return {
        "time": start_ms + 20 * number,
        "service": "s",
        "revision": "r2" if number % 3 == 0 else "r1",
        "method": "GET",
        "path": "/a",
        "code": 503 if number % 40 == 0 else 200,
        "duration_ms": 5.0 + number % 17,
    }


class Parts:
    """Events imported minute by minute, each with its own window length."""

    def __init__(self, folder, lengths):
        self.folder, self.rows = folder, []
        for part, length in enumerate(lengths):
            rows = [event(number, int(BEGIN.timestamp() * 1000) + part * MINUTE_MS) for number in range(3000)]
            (folder / "pratique.toml").write_text(f"[telemetry]\nwindow_s = {length}\n[services.s]\n")
            (folder / "part.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            self.pratique("import", "part.jsonl", "--service", "s", "--format", "jsonl")
            self.rows += [(row, length * 1000) for row in rows]

    def pratique(self, *words, statuses=(0,)):
        done = subprocess.run(
            [sys.executable, "-m", "pratique.cli", *words], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode in statuses, done.stderr
        return done.stdout

    def expected(self, start, end):
        """Requests by revision, and by revision and code, in windows that lie wholly within [start, end)."""
        first, last = (int(moment.timestamp() * 1000) for moment in (start, end))
        inside = [row for row, length in self.rows if first <= row["time"] // length * length <= last - length]
        return Counter(row["revision"] for row in inside), Counter((row["revision"], row["code"]) for row in inside)


def second(number):
    return BEGIN + timedelta(seconds=number)


@pytest.mark.parametrize("lengths", [(10, 2), (2, 10), (10, 3), (1, 60)], ids=str)
@pytest.mark.parametrize("span", [(60, 120), (84, 112), (24, 97), (0, 120), (3, 58), (31, 119)], ids=str)
def test_a_comparison_counts_the_events_of_windows_within_the_range(tmp_path_factory, lengths, span):
    parts = prepared(tmp_path_factory, lengths)
    start, end = map(second, span)
    expected, codes = parts.expected(start, end)
    names = {"start": start.isoformat(), "end": end.isoformat(), "config": str(parts.folder / "pratique.toml")}
    if not expected:
        with pytest.raises(MissingError, match=r"no window of either revision lies wholly|no request of 'r1' from"):
            open_comparison("s", "r1", "r2", **names)
        return
    found = open_comparison("s", "r1", "r2", **names)
    assert found.verdict.requests == expected
    for revision in ("r1", "r2"):
        assert found.series.total(revision) == expected[revision]
        for code in (200, 503):
            assert found.series.codes[revision][code].sum() == codes[revision, code]
        assert found.series.histogram[revision].sum() == expected[revision]
    (failures,) = [guard for guard in found.verdict.guards if (guard.guard, guard.action) == ("5xx", "*")]
    assert failures.bad == {revision: codes[revision, 503] for revision in ("r1", "r2")}
    assert start <= found.verdict.start
    assert found.verdict.end <= end


KEPT = {}


def prepared(tmp_path_factory, lengths):
    if lengths not in KEPT:
        KEPT[lengths] = Parts(tmp_path_factory.mktemp("parts"), lengths)
    return KEPT[lengths]


@pytest.mark.kernel
def test_the_report_has_the_numbers_of_the_comparison(tmp_path):
    parts = Parts(tmp_path, (10, 2))
    range_ = ["--start", "2026-05-04T10:00:24", "--end", "2026-05-04T10:01:37"]
    parts.pratique("report", "s", "r1", "r2", *range_, "--out", "out", statuses=(0, 1, 2))
    (written,) = (tmp_path / "out").glob("*.json")
    expected, _ = parts.expected(second(24), second(97))
    assert json.loads(written.read_text())["requests"] == expected
    page = (tmp_path / "out" / written.with_suffix(".html").name).read_text()
    assert all(f"{count:,} requests" in page for count in expected.values())
