"""Import of Parquet files: the types that columns have, nested columns, damaged files, bounds."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pratique.config import load
from pratique.errors import DataError, UsageError
from pratique.store import open_store
from pratique.telemetry.import_files import import_files

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
TIMES = [START + timedelta(seconds=second) for second in range(20)]


class Files:
    """A folder with a store, into which tables are imported."""

    def __init__(self, folder):
        (folder / "pratique.toml").write_text("")
        self.folder, self.config = folder, load(folder / "pratique.toml")
        self.store = open_store(str(folder / "store"))

    def take(self, columns=None, *, name="x.parquet", fmt="parquet", path=None, writing=None, **options):
        if path is None:
            path = self.folder / name
            pq.write_table(pa.table(columns), path, **(writing or {}))
        return import_files([path], service="shop", fmt=fmt, config=self.config, store=self.store, **options)

    def rows(self):
        names = [seen.revision for seen in self.store.revisions("shop")]
        return self.store.read("shop", names).table.to_pylist()


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


def columns(**changed):
    return {
        "time": pa.array(TIMES, pa.timestamp("us", tz="UTC")),
        "revision": [f"r{number % 2}" for number in range(20)],
        "action": ["GET /cart"] * 20,
        "status": [200] * 20,
        "duration_ms": [float(number) for number in range(20)],
    } | changed


def check(files, *, took=190.0):
    rows = files.rows()
    assert sum(row["n"] for row in rows) == 20
    assert {(row["revision"], row["action"], row["code"]) for row in rows} == {
        ("r0", "GET /cart", 200),
        ("r1", "GET /cart", 200),
    }
    assert {row["window"] for row in rows} == {START, START + timedelta(seconds=10)}
    assert sum(row["sum_ms"] for row in rows) == pytest.approx(took)


@pytest.mark.parametrize("fmt", ["parquet", "auto"])
def test_a_table_of_requests_is_stored_whatever_its_name(files, fmt):
    files.take(columns(), fmt=fmt, name="x.log")
    check(files)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("time", pa.array(TIMES, pa.timestamp("s", tz="UTC"))),
        ("time", pa.array(TIMES, pa.timestamp("ns", tz="America/New_York"))),
        ("time", [time.isoformat() for time in TIMES]),
        ("time", [time.timestamp() for time in TIMES]),
        ("time", [int(time.timestamp() * 1e9) for time in TIMES]),
        ("status", pa.array([200] * 20, pa.int16())),
        ("status", pa.array([200] * 20, pa.uint64())),
        ("status", [200.0] * 20),
        ("status", ["200"] * 20),
        ("status", [Decimal("200.00")] * 20),
        ("duration_ms", [Decimal(number) for number in range(20)]),
        ("duration_ms", list(range(20))),
        ("duration_ms", [str(number) for number in range(20)]),
        ("duration_ms", pa.array(range(20), pa.float32())),
        ("revision", pa.array([f"r{number % 2}" for number in range(20)]).dictionary_encode()),
        ("revision", pa.array([f"r{number % 2}" for number in range(20)], pa.large_string())),
        ("action", pa.array([b"GET /cart"] * 20, pa.binary())),
    ],
    ids=lambda value: str(getattr(value, "type", type(value[0])))[:40] if not isinstance(value, str) else value,
)
def test_a_value_counts_whatever_the_type_of_its_column(files, name, column):
    files.take(columns(**{name: column}))
    check(files)


def test_a_time_without_a_zone_needs_one(files):
    naive = columns(time=pa.array([time.replace(tzinfo=None) for time in TIMES], pa.timestamp("ms")))
    with pytest.raises(DataError, match="'time' have no zone: give it as --timezone UTC"):
        files.take(naive)
    files.take(naive, timezone="Europe/Vienna")
    assert {row["window"] for row in files.rows()} == {
        START - timedelta(hours=1),
        START - timedelta(minutes=59, seconds=50),
    }


@pytest.mark.parametrize(
    ("name", "column", "holds"),
    [
        ("status", [True] * 20, "true or false"),
        ("status", [[200]] * 20, "lists"),
        ("status", [{"code": 200}] * 20, "nested columns"),
        ("revision", [["r1"]] * 20, "lists"),
        ("revision", [True] * 20, "true or false"),
        ("duration_ms", [True] * 20, "true or false"),
        ("duration_ms", [[1.0]] * 20, "lists"),
        ("action", [[]] * 20, "lists"),
        ("time", [date(2026, 11, 20)] * 20, "dates without a time of day"),
        ("time", [True] * 20, "true or false"),
        ("status", [date(2026, 11, 20)] * 20, "dates"),
    ],
)
def test_a_column_that_cannot_mean_this_is_refused_by_its_name(files, name, column, holds):
    with pytest.raises(DataError, match=rf"column '{name}' holds {holds}"):
        files.take(columns(**{name: column}))
    assert not files.store.exists()


def test_nested_columns_are_reached_by_a_dot(files):
    nested = columns(http=[{"answer": 200, "request": {'it\'s "uri"': "/cart"}}] * 20)
    del nested["status"], nested["action"]
    names = ["status=http.answer", 'path=http.request.it\'s "uri"']
    files.take(nested, field_names=names)
    assert {row["action"] for row in files.rows()} == {"/cart"}
    with pytest.raises(DataError, match=r"no column 'http\.code'"):
        files.take(nested, field_names=["status=http.code"])


def test_nulls_are_missing_values(files):
    summary = files.take(columns(duration_ms=[None, *map(float, range(19))], revision=[None, *["r1"] * 19]))
    assert (summary.events, summary.without_revision, summary.rejected) == (19, 1, 0)
    summary = files.take(columns(status=[None, *[200] * 19], time=[*TIMES[:19], None]), name="y.parquet")
    assert sorted(summary.reasons) == ["its status is not a status code (status)", "its time cannot be read (time)"]


def test_a_file_without_rows(files):
    empty = pa.table(columns()).slice(0, 0)
    assert "the input is empty" in files.take(empty).warnings()[0]


def test_a_truncated_file_and_one_of_another_kind_are_refused_in_one_line(files):
    files.take(columns())
    path = files.folder / "x.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"x.parquet.*nothing was stored"):
        files.take(path=path)
    path.write_bytes(b"PAR1" + os.urandom(100) + b"PAR1")
    with pytest.raises(DataError, match="nothing was stored"):
        files.take(path=path)
    path.write_text("time,status\n")
    with pytest.raises(DataError, match="is no Parquet file"):
        files.take(path=path)
    with pytest.raises(DataError, match="is a Parquet file: give --format parquet"):
        files.take(columns(), fmt="csv")


def test_a_pipe_is_refused(files):
    os.mkfifo(files.folder / "pipe")
    with pytest.raises(UsageError, match="pipe or device"):
        files.take(path=files.folder / "pipe")


@pytest.mark.slow
def test_importing_again_changes_nothing_and_files_that_begin_alike_both_count(files):
    days = [
        columns(time=pa.array([time + timedelta(days=day) for time in TIMES], pa.timestamp("us", tz="UTC")))
        for day in (0, 1)
    ]
    for table in (*days, *days):
        ordered = {name: table[name] for name in ("action", "revision", "status", "duration_ms", "time")}
        files.take(ordered, writing={"compression": None, "use_dictionary": False})
    assert sum(row["n"] for row in files.rows()) == 40


@pytest.mark.parametrize("name", ["a*.parquet", "x'); ATTACH 'y'; --.parquet", "s3:__bucket", "[ab].parquet"])
def test_names_that_look_like_patterns_or_sql(files, name):
    files.take(columns(), name=name)
    check(files)


def test_columns_whose_names_are_sql(files):
    table = columns()
    table['revision"; DROP TABLE x; --'] = table.pop("revision")
    files.take(table, field_names=['revision=revision"; DROP TABLE x; --'])
    check(files)


@pytest.mark.slow
def test_memory_is_bounded_whatever_the_size_of_the_file(files):
    path = files.folder / "big.parquet"
    schema = pa.schema([("time", pa.int64()), ("revision", pa.string()), ("path", pa.string()), ("status", pa.int16())])
    with pq.ParquetWriter(path, schema) as writer:
        for part in range(20):
            times = [1795514400000 + part * 100_000 + number for number in range(100_000)]
            paths = [f"/p/{number % 50}/{'x' * 300}{number}" for number in range(100_000)]
            writer.write_table(pa.table([times, ["r1"] * 100_000, paths, [200] * 100_000], schema=schema))
    command = (
        "import sys, re; from pratique.cli import main\n"
        f"sys.argv = ['pratique', 'import', {str(path)!r}, '--service', 'shop']\n"
        "try: main()\n"
        "finally: print('peak', int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=files.folder, capture_output=True, text=True, check=False
    )
    assert "2,000,000 requests" in done.stdout, done.stderr
    assert int(done.stderr.rpartition("peak ")[2]) < 512


def longer(seconds, *, start=0, status=200):
    """The columns of a table of requests of consecutive seconds."""
    return {
        "time": pa.array(
            [START + timedelta(seconds=start + at) for at in range(seconds)], pa.timestamp("us", tz="UTC")
        ),
        "revision": ["r1"] * seconds,
        "action": ["GET /cart"] * seconds,
        "status": [status] * seconds,
    }


def stored(files):
    found = {}
    for row in files.rows():
        found[row["code"]] = found.get(row["code"], 0) + row["n"]
    return found


@pytest.mark.slow
def test_a_table_that_was_written_again_in_place_replaces_its_earlier_rows(files):
    files.take(longer(40))
    assert files.take(longer(100)).rewritten == 1
    assert stored(files) == {200: 100}
    # corrected and shorter: rows that are no longer in it go
    summary = files.take(longer(30, start=50, status=503))
    assert stored(files) == {503: 30}
    assert "1 file written again since an earlier import: the new rows replace those" in summary.to_text()
    assert files.take(longer(30, start=50, status=503)).rewritten == 0
    assert stored(files) == {503: 30}


def test_a_table_at_the_same_path_with_requests_of_another_time_is_another_one(files):
    files.take(longer(40))
    files.take(longer(40, start=600, status=404))
    assert stored(files) == {200: 40, 404: 40}


@pytest.mark.slow
def test_the_next_part_of_an_export_that_overlaps_removes_nothing(files):
    files.take(longer(40))
    assert files.take(longer(40, start=30, status=404)).rewritten == 0
    assert stored(files) == {200: 40, 404: 40}


def test_any_spelling_of_the_path_is_the_same_table(files):
    files.take(longer(40))
    (files.folder / "link.parquet").symlink_to("x.parquet")
    files.take(longer(50), name="link.parquet")
    assert stored(files) == {200: 50}
