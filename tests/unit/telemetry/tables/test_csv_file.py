"""Import of CSV files as they are: dialects, compression, hostile cells and names, bounds."""

import gzip
import json
import os
import re
import subprocess
import sys
import threading

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pratique.config import load
from pratique.errors import DataError, MissingError, UsageError
from pratique.store import open_store
from pratique.telemetry.import_files import import_files
from pratique.telemetry.lost_lines import lost_lines
from pratique.telemetry.preview import preview_files
from pratique.telemetry.tables.csv_quotes import UNCLOSED, QuoteGuard

HEADER = "time,revision,action,status,duration_ms"
ROWS = [f"2026-11-20T10:00:{second:02d}Z,r{second % 2},GET /cart,200,{second}.5" for second in range(20)]


class Files:
    """A folder with a store, into which tables are imported."""

    def __init__(self, folder):
        (folder / "pratique.toml").write_text("")
        self.folder, self.config = folder, load(folder / "pratique.toml")
        self.store = open_store(str(folder / "store"))

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def take(self, *paths, fmt="csv", **options):
        return import_files(list(paths), service="shop", fmt=fmt, config=self.config, store=self.store, **options)

    def table(self, header=HEADER, rows=ROWS, fmt="csv", end="\n", name="x.csv", **options):
        return self.take(self.write(name, end.join([header, *rows]) + end), fmt=fmt, **options)

    def rows(self):
        names = [seen.revision for seen in self.store.revisions("shop")]
        return self.store.read("shop", names).table.to_pylist()

    def rejects(self, summary):
        return [json.loads(line) for line in summary.rejects.read_text().splitlines()] if summary.rejects else []


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


def requests(files):
    found = {}
    for row in files.rows():
        key = row["revision"], row["action"], row["code"]
        found[key] = found.get(key, 0) + row["n"]
    return found


EXPECTED = {("r0", "GET /cart", 200): 10, ("r1", "GET /cart", 200): 10}


def test_a_table_of_requests_is_stored(files):
    summary = files.table()
    assert requests(files) == EXPECTED
    assert (summary.events, summary.rejected, summary.lines) == (20, 0, 20)
    assert sum(row["sum_ms"] for row in files.rows()) == pytest.approx(200.0)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_other_delimiters_and_line_ends(files, delimiter, end):
    files.table(HEADER.replace(",", delimiter), [row.replace(",", delimiter) for row in ROWS], end=end, fmt="auto")
    assert requests(files) == EXPECTED


def test_the_delimiter_that_a_spreadsheet_declares(files):
    files.table(f"sep=;\n{HEADER.replace(',', ';')}", [row.replace(",", ";") for row in ROWS])
    assert requests(files) == EXPECTED


def test_a_decimal_comma(files):
    rows = [row.replace(",", ";").replace(".5", ",5") for row in ROWS]
    files.table(HEADER.replace(",", ";"), rows)
    assert sum(row["sum_ms"] for row in files.rows()) == pytest.approx(200.0)


@pytest.mark.parametrize("packed", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_compressed_whatever_its_name(files, packed):
    files.take(files.write("x.txt", packed("\n".join([HEADER, *ROWS]).encode())), fmt="auto")
    assert requests(files) == EXPECTED


def test_a_truncated_archive_stores_nothing(files):
    whole = gzip.compress("\n".join([HEADER, *ROWS * 5000]).encode(), 1)
    with pytest.raises(DataError, match="truncated"):
        files.take(files.write("x.csv.gz", whole[: len(whole) // 2]))
    assert not files.store.exists()


@pytest.mark.slow
def test_importing_again_changes_nothing_and_a_grown_file_is_the_same(files):
    files.table(rows=ROWS[:10])
    files.table(rows=ROWS)
    files.table(rows=ROWS, name="copy.csv")
    assert requests(files) == EXPECTED


def test_several_files_and_patterns(files):
    files.write("day-1.csv", "\n".join([HEADER, *ROWS[:10]]))
    files.write("day-2.csv", "\n".join([HEADER, *ROWS[10:]]))
    assert files.take(files.folder / "day-*.csv").files == 2
    assert requests(files) == EXPECTED
    with pytest.raises(MissingError, match="no file matches"):
        files.take(files.folder / "week-*.csv")


@pytest.mark.parametrize(
    "name", ["a*.csv", "x'); DROP TABLE x; --.csv", "[a-z].csv", 'say "hi".csv', "http:__x.csv", "ü\n.csv"]
)
def test_names_that_look_like_patterns_or_sql(files, name):
    files.write("ab.csv", "\n".join([HEADER, *ROWS]))
    files.table(name=name, rows=ROWS[:2])
    assert sum(requests(files).values()) == 2


def test_column_names_with_quotes(files):
    header = '"the ""time""; \'--",revision,action,status,"it\'s; DROP"'
    files.table(header, field_names=['time=the "time"; \'--', "duration=it's; DROP:ms"])
    assert requests(files) == EXPECTED


def test_cells_that_hold_line_breaks_and_delimiters(files):
    rows = [row.replace("GET /cart", '"GET /cart"').replace("r0", '"r0"') + ',"a\nb, ""c"""' for row in ROWS]
    files.table(f"{HEADER},agent", rows)
    assert requests(files) == EXPECTED


def test_ragged_rows_are_rejected_with_their_position(files):
    summary = files.table(rows=[*ROWS[:3], "2026-11-20T10:00:03Z,r1", *ROWS[3:6], f"{ROWS[6]},more", *ROWS[7:]])
    assert [(reject["line"], reject["reason"][:17]) for reject in files.rejects(summary)] == [
        (5, "it has fewer than"),
        (9, "it has more than "),
    ]
    assert summary.events == 19


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2026-11-20T10:00:03Z,r1,GET /,true,1", "its status is not a status code (status)"),
        ("2026-11-20T10:00:03Z,r1,GET /,200.5,1", "its status is not a status code (status)"),
        ("2026-11-20T10:00:03Z,r1,GET /,[200],1", "its status is not a status code (status)"),
        ("2026-11-20T10:00:03Z,r1,GET /,200,true", "its duration (duration_ms) cannot be read"),
        ("2026-11-20T10:00:03Z,r1,GET /,200,fast", "its duration (duration_ms) cannot be read"),
        ("yesterday,r1,GET /,200,1", "its time cannot be read (time)"),
        ("2026-11-20T10:00:03,r1,GET /,200,1", "its time has no zone, give --timezone"),
        ("1970-01-01T00:00:00Z,r1,GET /,200,1", "its time is before 2000 or more than a day ahead (time)"),
    ],
)
@pytest.mark.slow
def test_a_wrong_cell_rejects_its_row_with_the_name_of_the_column(files, row, reason):
    later = [f"2026-11-20T11:{n // 60 % 60:02d}:{n % 60:02d}Z,r1,GET /,200,1" for n in range(70_000)]
    summary = files.table(rows=[*ROWS, *later, row])
    assert [(reject["line"], reject["reason"]) for reject in files.rejects(summary)] == [(70_022, reason)]


@pytest.mark.parametrize("empty", ["", "-", "null", "NaN"])
@pytest.mark.slow
def test_a_missing_duration_is_counted_but_not_timed(files, empty):
    files.table(rows=[row.rpartition(",")[0] + f",{empty}" for row in ROWS])
    assert requests(files) == EXPECTED
    assert all(not row["bucket"] for row in files.rows())


def test_whole_status_as_a_float(files):
    files.table(rows=[row.replace(",200,", ",200.0,") for row in ROWS])
    assert requests(files) == EXPECTED


def test_a_revision_stays_text(files):
    files.table(rows=[row.replace("r0", "1.10").replace("r1", "007") for row in ROWS])
    assert {key[0] for key in requests(files)} == {"1.10", "007"}


def test_invalid_utf_8_and_a_byte_order_mark(files):
    content = b"\xef\xbb\xbf" + "\n".join([HEADER, *ROWS]).encode().replace(b"GET /cart", b"GET /\xff\xfe")
    summary = files.take(files.write("x.csv", content))
    assert summary.events == 20
    with pytest.raises(DataError, match="UTF-16"):
        files.take(files.write("y.csv", "\n".join([HEADER, *ROWS]).encode("utf-16")))


def test_an_empty_file_and_one_with_a_header_only(files):
    assert "the input is empty" in files.take(files.write("x.csv", "")).warnings()[0]
    assert "the input is empty" in files.table(rows=[], name="y.csv").warnings()[0]


def test_a_file_without_a_header_needs_numbers_of_columns(files):
    with pytest.raises(DataError, match=r"no column is known as the time.*column1, column2"):
        files.table(ROWS[0], ROWS[1:])
    names = ["time=column1", "revision=column2", "action=column3", "status=column4", "duration=column5:ms"]
    files.table(ROWS[0], ROWS[1:], field_names=names)
    assert requests(files) == EXPECTED


@pytest.mark.parametrize("content", ["no table\nat all\n", "\x00\x01\x02\n" * 50])
def test_what_is_no_csv_is_refused_in_one_line(files, content):
    with pytest.raises(DataError, match="no CSV"):
        files.take(files.write("x.csv", content))


def test_times_without_a_zone_need_one(files):
    rows = [row.replace("Z,", ",") for row in ROWS]
    with pytest.raises(DataError, match="have no zone: give it as --timezone"):
        files.table(rows=rows)
    files.table(rows=rows, timezone="Europe/Vienna")
    assert min(row["window"] for row in files.rows()).isoformat() == "2026-11-20T09:00:00+00:00"


@pytest.mark.parametrize("scale", [1, 1e3, 1e6, 1e9])
def test_numbers_as_times_tell_their_unit_by_their_size(files, scale):
    rows = [f"{(1795514400 + second) * scale:.0f},r1,GET /,200,1" for second in range(10)]
    files.table(rows=rows)
    assert {row["window"].isoformat() for row in files.rows()} == {"2026-11-24T10:00:00+00:00"}


def test_a_duration_needs_a_unit(files):
    header = HEADER.replace("duration_ms", "took")
    with pytest.raises(DataError, match="unit of the duration 'took' is not known"):
        files.table(header, field_names=["duration=took"])
    files.table(header, field_names=["duration=took:s"])
    assert sum(row["sum_ms"] for row in files.rows()) == pytest.approx(200_000.0)


@pytest.mark.parametrize(("took", "doubt"), [("0", "below 0.01 ms"), ("900000000", "reach nine days")])
def test_durations_that_look_wrong_are_a_finding(files, took, doubt):
    summary = files.table(rows=[row.rpartition(",")[0] + f",{took}" for row in ROWS])
    assert any(doubt in warning for warning in summary.warnings())


def test_a_column_that_is_missing_is_named(files):
    with pytest.raises(DataError, match=r"no column 'when'.*it has time, revision"):
        files.table(field_names=["time=when"])
    with pytest.raises(DataError, match="no column 'release'"):
        files.table(revision_from="release")
    with pytest.raises(UsageError, match="--log-format is for lines"):
        files.table(log_format="$status")


def test_the_revision_may_be_a_part_of_a_column(files):
    files.table(
        rows=[row.replace("r0", "pool-r0-a").replace("r1", "pool-r1-b") for row in ROWS],
        revision_from="revision:-(r.)-",
    )
    assert requests(files) == EXPECTED


def test_too_many_actions_are_folded(files):
    rows = [f"2026-11-20T10:00:00Z,r1,GET /{number},200,1" for number in range(700)]
    summary = files.table(rows=rows)
    assert summary.folded["action"] == 200


def test_the_service_file_names_the_columns(files):
    (files.folder / "pratique.toml").write_text(
        'services.shop.imports.format = "csv"\nservices.shop.imports.fields = {revision = "release", duration = "took:s"}'
    )
    files.config = load(files.folder / "pratique.toml")
    files.table(HEADER.replace("revision", "release").replace("duration_ms", "took"))
    assert requests(files) == EXPECTED


def test_preview_stores_nothing_and_shows_what_a_column_means(files):
    path = files.write("x.csv", "\n".join([HEADER, *ROWS]))
    shown = preview_files([path], service="shop", fmt="auto", config=files.config)
    assert "duration from duration_ms (milliseconds)" in shown
    assert "2026-11-20 10:00:00.000  r0        GET /cart  200   0.5 ms    local" in shown
    assert not files.store.exists()


def test_lost_rows_count_for_their_revision(files):
    bad = [row.replace(",200,", ",what,").replace("r0", "r1") for row in ROWS]
    summary = files.table(rows=[*ROWS, *ROWS, *bad])
    assert summary.rejected == 20
    (lost,) = json.loads((files.config.state_dir / "lost" / "shop.json").read_text()).values()
    assert lost["by_revision"] == {"r1": 20}


def test_a_fifo_is_read_like_a_file(files):
    fifo = files.folder / "pipe.csv"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_text, args=("\n".join([HEADER, *ROWS]),))
    writer.start()
    files.take(fifo)
    writer.join()
    assert requests(files) == EXPECTED


@pytest.mark.parametrize("behind", [0, 1, 40, 3000])
@pytest.mark.slow
def test_a_quote_that_is_never_closed_rejects_its_line_alone(files, behind):
    rows = [*ROWS, '2026-11-20T10:00:30Z,r1,"GET /,200,1', *ROWS * behind]
    summary = files.table(rows=rows)
    assert (summary.events, summary.rejected) == (20 + 20 * behind, 1)
    assert files.rejects(summary)[0]["line"] == 22
    assert "its quotes do not fit" in files.rejects(summary)[0]["reason"]
    assert any("a quote is never closed" in warning for warning in summary.warnings())


def test_a_quote_that_is_never_closed_before_a_long_text_is_found(files):
    text = ["a line of a stack trace"] * 60_000
    with pytest.raises(
        DataError, match=r"first line 22: its quotes do not fit: a quote is never closed.*nothing was stored"
    ):
        files.table(rows=[*ROWS, '2026-11-20T10:00:30Z,r1,"GET /,200,1', *text])


T = "2026-11-20T10:01:0"
JOINED = [
    # the lines, and the numbers of those that are rejected
    ([f'{T}0Z,r1,"GET /a,200,5', f'{T}1Z,r0,GET /b",500,9'], [1, 2]),
    ([f'{T}0Z,r1,"GET /a,200,5', f'{T}1Z,r0,"GET /b",500,9'], [1]),
    ([f'{T}0Z,r1,"GET /a,200,5', f"{T}1Z,r0,GET /b,500,9", f'{T}2Z,r0,GET /c",500,9'], [1, 3]),
    ([f'{T}0Z,r1,GET /a,200,"5', f'{T}1Z,r0,GET /b,500,"9', f"{T}2Z,r1,GET /c,200,1"], [1, 2]),
    ([f'{T}0Z,"r1,GET /a,200,5', f'{T}1Z,r0",GET /b,500,9'], [1, 2]),
    ([f'"{T}0Z,r1,GET /a,200,5', f'{T}1Z",r0,GET /b,500,9'], [1, 2]),
]


@pytest.mark.parametrize(("lines", "rejected"), JOINED)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.slow
def test_rows_that_unbalanced_quotes_would_join_are_rejected_with_their_numbers(files, lines, rejected, end):
    summary = files.table(rows=[*ROWS, *lines, *ROWS], end=end)
    assert summary.lines == 40 + len(lines)
    assert summary.events == summary.lines - summary.rejected
    assert {21 + number for number in rejected} >= {one["line"] for one in files.rejects(summary)} >= {22}
    whole = [at for at in range(1, len(lines) + 1) if at not in rejected]
    assert summary.events >= 40 + len(whole)


@given(
    st.lists(
        st.sampled_from(["plain", '"quoted"', '"two\nlines"', '"a ""b"" c"', '5" pipe', '"x,y"', '""']), max_size=30
    )
)
def test_values_in_quotes_that_fit_together_are_passed_on_as_they_are(values):
    text = "".join(f"{T}0Z,r1,{value},200\n" for value in values)
    guard = QuoteGuard(",", 4)
    assert guard.lines(text.encode()) + guard.end() == text.encode()
    assert not guard.rejected


@given(st.text('",\nar1', max_size=60), st.integers(0, 60))
def test_every_line_is_passed_on_once_whatever_its_quotes(text, cut):
    text = text.replace("\n\n", "\n").strip("\n") + "\n"
    cut = text.find("\n", cut) + 1
    guard = QuoteGuard(",", 3)
    found = (
        guard.lines(text[:cut].encode()) * bool(cut) + guard.lines(text[cut:].encode()) * bool(text[cut:]) + guard.end()
    )
    lines = [
        line.replace('""', '"')[1:-1].removeprefix(UNCLOSED) if UNCLOSED in line else line
        for line in found.decode().split("\n")
    ]
    assert "\n".join(lines) == text


GROUPED = ["count", "Count", "cnt", "requests", "count()", "count_star()", "doc_count"]


@pytest.mark.parametrize("name", GROUPED)
def test_a_table_that_was_grouped_is_not_read_as_single_requests(files, name):
    header, rows = f"time,revision,action,status,{name}", [f"{row.rpartition(',')[0]},30" for row in ROWS]
    with pytest.raises(
        DataError, match=f"name it, --field n={re.escape(name)}; where each row is one request"
    ) as refused:
        files.table(header, rows)
    assert "\n" not in str(refused.value)
    files.table(header, rows, field_names=[f"n={name}"])
    assert sum(requests(files).values()) == 600


def test_a_number_of_requests_that_is_named_as_something_else_is_read_as_that(files):
    header = HEADER.replace("duration_ms", "hits")
    files.table(header, field_names=["duration=hits:ms"])
    assert requests(files) == EXPECTED


def test_a_sum_of_durations_without_a_number_of_requests_is_refused(files):
    with pytest.raises(DataError, match=r"no column is known as their number.*--field n=NAME"):
        files.table(HEADER.replace("duration_ms", "sum_ms"))


PEAK = """
import re, sys
from pathlib import Path
from pratique.telemetry.file_reader import LogReader
from pratique.telemetry.tables.csv_file import CsvFile
path = Path(sys.argv[1])
table = CsvFile(path, LogReader(path))
rows = sum(len(batch) for batch in table.batches(["time", "revision", "action", "status", "duration_ms"]))
print(rows, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(files):
    peaks = []
    block = "\n".join(row + ',"an agent, of some length, that is not read"' for row in ROWS * 500) + "\n"
    for blocks in (20, 120):
        path = files.write("x.csv", f"{HEADER},agent\n{block * blocks}")
        done = subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True)
        rows, peak = map(int, done.stdout.split())
        assert rows == 10_000 * blocks
        peaks.append(peak)
    # 90 MB more to read
    assert peaks[1] - peaks[0] < 45


@pytest.mark.slow
def test_a_cell_of_a_gigabyte_is_rejected_within_bounded_memory(files):
    path = files.folder / "huge.csv"
    with path.open("wb") as file:
        file.write(("\n".join([HEADER, *ROWS]) + "\n2026-11-20T10:01:00Z,r1,").encode())
        for _ in range(1024):
            file.write(b"x" * (1 << 20))
        file.write(f",200,1\n{ROWS[0]}\n".encode())
    command = (
        "import sys, re; from pratique.cli import main\n"
        "sys.argv = ['pratique', 'import', 'huge.csv', '--service', 'shop', '--format', 'csv']\n"
        "try: main()\n"
        "finally: print('peak', int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=files.folder, capture_output=True, text=True, check=False
    )
    assert "21 requests of 22 lines" in done.stdout, done.stderr
    assert "longer than 1,048,576 bytes" in done.stdout
    assert int(done.stderr.rpartition("peak ")[2]) < 512


def test_a_rejected_row_of_counts_is_as_many_lost_requests_as_it_tells(files):
    rows = [
        f"2026-11-20T10:{minute:02d}:00Z,r{minute % 2},GET /cart,{200 if minute else ''},100" for minute in range(20)
    ]
    files.table("time,revision,action,status,n", rows, interval=60)
    (lost,) = lost_lines(files.config.state_dir, "shop", None, None, store=files.config.store.url)
    assert (lost.total, lost.by_revision, lost.counted) == (100, {"r0": 100}, 1900)


@pytest.mark.parametrize("name", ["bucket", "len", "hits"])
def test_a_column_of_single_requests_is_not_a_number_of_requests(files, name):
    header, rows = f"time,revision,action,status,duration_ms,{name}", [f"{row.rpartition(',')[0]},30,7" for row in ROWS]
    assert files.table(header, rows).events == len(ROWS)


# looks at all lines again at each quote would take hours
@pytest.mark.timeout(120)
@pytest.mark.slow
def test_many_quotes_that_are_never_closed_are_rejected_at_once(files):
    rows = [*ROWS * 1500, *['2026-11-20T10:00:30Z,r1,a","b,200,1'] * 20_000, *ROWS]
    summary = files.table(rows=rows)
    assert summary.events + summary.rejected == len(rows)
    assert summary.events >= 20 * 1501
