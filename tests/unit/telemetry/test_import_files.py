"""Import of existing logs: each line is stored, rejected, ignored or without revision, and counts once."""

import gzip
import importlib
import json
import re
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pratique.config import FieldNames, load, parse
from pratique.errors import DataError, UsageError
from pratique.store import open_store
from pratique.telemetry.import_files import import_files
from pratique.telemetry.line_parsers import Parser
from pratique.telemetry.logs.declared import declared
from pratique.telemetry.logs.haproxy import HTTPLOG
from pratique.telemetry.logs.presets import COMBINED

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "data"
real = pytest.mark.skipif(not SHARED.exists(), reason="the real logs are not beside the project: ../shared/data")
LINE = '10.0.0.1 - - [20/Nov/2026:12:00:{:02d} +0000] "GET /cart?x=1 HTTP/1.1" 200 512 "-" "agent/1" 0.012'
EVENT = {
    "time": "2026-11-20T12:00:00Z",
    "revision": "r1",
    "path": "/",
    "method": "GET",
    "code": 200,
    "duration_ms": 1,
}


class World:
    """A state folder with its store."""

    def __init__(self, folder, text=""):
        (folder / "pratique.toml").write_text(text)
        self.folder = folder
        self.config = load(folder / "pratique.toml")
        self.store = open_store(str(folder / "store"))

    def take(self, *paths, service="shop", fmt="combined", **kwargs):
        return import_files(list(paths), service=service, fmt=fmt, config=self.config, store=self.store, **kwargs)

    def log(self, name, *lines):
        path = self.folder / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def rows(self, service="shop"):
        names = [seen.revision for seen in self.store.revisions(service)]
        return self.store.read(service, names).table.to_pylist()

    def total(self):
        return sum(row["n"] for row in self.rows())


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@real
@pytest.mark.slow
def test_haproxy_log_has_the_counts_of_halog(world):
    summary = world.take(SHARED / "haproxy" / "production_2012.log", fmt="haproxy", revision_from="server")
    halog = {}
    for line in (SHARED / "haproxy" / "production_2012.halog_srv.txt").read_text().splitlines()[1:]:
        name, *counts = line.split()[:7]
        halog[name.rpartition("/")[2]] = [int(count) for count in counts[:5]]
    counts = {name: [0] * 5 for name in ("GW1", "GW2")}
    for row in world.rows():
        counts[row["revision"]][row["code"] // 100 - 1] += row["n"]
    assert counts == {name: halog[name] for name in counts}
    assert summary.without_revision == sum(halog["<NOSRV>"])
    assert summary.rejected == 0


@real
@pytest.mark.slow
def test_haproxy_log_has_the_codes_of_halog_and_no_negative_latency(world):
    world.take(SHARED / "haproxy" / "production_2012.log", fmt="haproxy", revision="all")
    halog = dict(
        map(int, line.split())
        for line in (SHARED / "haproxy" / "production_2012.halog_st.txt").read_text().splitlines()
    )
    codes, timed = Counter(), 0
    for row in world.rows():
        codes[row["code"]] += row["n"]
        timed += sum(row["count"])
    assert codes == halog
    text = (SHARED / "haproxy" / "production_2012.log").read_text()
    assert timed == len(re.findall(r" -?\d+/-?\d+/-?\d+/\d+/\d+ \d{3} ", text))
    assert timed < 17211


@real
@pytest.mark.slow
def test_monitor_probes_can_be_ignored(tmp_path):
    world = World(tmp_path, '[services.shop.imports]\nignore_paths = ["/"]\n')
    summary = world.take(SHARED / "haproxy" / "production_2012.log", fmt="haproxy", revision_from="server")
    probes = len(
        re.findall(r'"[A-Z]+ (?:http://[^/ ]+)?/(?:\?\S*)? ', (SHARED / "haproxy" / "production_2012.log").read_text())
    )
    assert summary.ignored == probes
    assert world.total() == 9353 - probes


@real
@pytest.mark.slow
def test_apache_log_has_the_counts_of_a_plain_count(world):
    path = SHARED / "access" / "apache_combined_2015.log"
    summary = world.take(path, revision="r1")
    codes = Counter(int(code) for code in re.findall(r'" (\d{3}) (?:\d+|-) "', path.read_text(errors="replace")))
    found = Counter()
    for row in world.rows():
        found[row["code"]] += row["n"]
    assert found == codes
    assert summary.events == 10_000


@real
def test_unusual_haproxy_lines_are_parsed(world):
    lines = [vector["line"] for vector in json.loads((SHARED / "haproxy" / "logstash_vectors.json").read_text())]
    parsed = parser("haproxy", revision="r").parse("\n".join(lines).encode(), 1)
    assert parsed.events["code"].to_list() == [200, 304, 304, 408, 200, 200, 405]
    assert [reason for _, reason, _ in parsed.rejects] == ["a TCP line: it has no status code"]
    assert parsed.events["duration_ms"].to_list() == [99627.0, 428.0, 2.0, None, None, 21.0, 0.0]


@real
@pytest.mark.parametrize("name", ["counting.feature", "response_times.feature"])
def test_lines_of_nginx_exporter_are_parsed(name):
    lines = [
        line.strip() for line in (SHARED / "access" / name).read_text().splitlines() if re.match(r"\s+\d+\.\d+\.", line)
    ]
    parsed = parser("combined", revision="r").parse("\n".join(lines).encode(), 1)
    assert len(lines) == len(parsed.events) > 0


@pytest.mark.slow
def test_log_and_its_copies_count_once(world):
    log = world.log("access.log", *(LINE.format(i % 60) for i in range(500)))
    for name, packed in (("a.gz", gzip.compress(log.read_bytes())), ("a.zst", zstandard.compress(log.read_bytes()))):
        (world.folder / name).write_bytes(packed)
    (world.folder / "access.log.1").write_bytes(log.read_bytes())
    for name in ("access.log", "access.log", "access.log.1", "a.gz", "a.zst"):
        world.take(world.folder / name, revision="r1")
        assert world.total() == 500


@pytest.mark.slow
def test_grown_log_adds_its_new_lines_and_another_log_adds_all(world):
    world.take(world.log("access.log", *(LINE.format(i) for i in range(10))), revision="r1")
    world.take(world.log("access.log", *(LINE.format(i) for i in range(30))), revision="r1")
    assert world.total() == 30
    world.take(world.log("other.log", *(LINE.format(i) for i in range(1, 6))), revision="r1")
    assert world.total() == 35


def test_rejected_line_is_kept_with_its_number_and_reason(world):
    log = world.log(
        "access.log", LINE.format(1), "rubbish <script>", LINE.format(2), LINE.format(3).replace("2026", "1970")
    )
    summary = world.take(log, revision="r1")
    assert (summary.lines, summary.events, summary.rejected) == (4, 2, 2)
    kept = [json.loads(line) for line in summary.rejects.read_text().splitlines()]
    assert [(reject["line"], reject["text"][:7]) for reject in kept] == [(2, "rubbish"), (4, "10.0.0.")]
    assert "before 2000" in kept[1]["reason"]
    assert "2 lines rejected" in summary.to_text()


def test_all_files_or_none_are_stored(world):
    good = world.log("good.log", LINE.format(1))
    bad = world.log("bad.log", "no", "log", "at all")
    with pytest.raises(DataError, match=r"bad\.log.*first line 1"):
        world.take(good, bad, revision="r1")
    assert not world.store.exists()


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_truncated_file_stores_nothing(world, pack):
    packed = pack(b"".join(f"{LINE.format(i % 60)} {i * 7919}\n".encode() for i in range(20_000)))
    (world.folder / "cut").write_bytes(packed[: len(packed) * 2 // 3])
    with pytest.raises(DataError, match="truncated"):
        world.take(world.folder / "cut", revision="r1")
    assert not world.store.exists()


def test_jsonl_accepts_custom_names_and_both_forms_of_time(tmp_path):
    world = World(tmp_path, '[services.shop.imports.fields]\ntime = "ts"\ncode = "http.status"\n')
    log = world.log(
        "events.jsonl",
        json.dumps(
            {"ts": "2026-11-20T12:00:00.250Z", "http": {"status": 503}, "path": "/a", "method": "GET", "revision": "r1"}
        ),
        json.dumps(
            {"ts": 1795176001000, "http": {"status": "200"}, "action": "buy", "revision": "r2", "duration_ms": 4}
        ),
        json.dumps({"ts": 1795176001000, "http": {}, "action": "buy", "revision": "r2"}),
    )
    summary = world.take(log, fmt="jsonl")
    assert summary.rejected == 1
    rows = {row["revision"]: row for row in world.rows()}
    assert rows["r1"]["window"] == datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert (rows["r1"]["action"], rows["r1"]["code"], rows["r1"]["count"]) == ("GET /a", 503, [])
    assert (rows["r2"]["action"], rows["r2"]["code"], rows["r2"]["sum_ms"]) == ("buy", 200, 4.0)


def test_format_strings_of_apache_and_nginx_are_parsed():
    line = b'1.2.3.4 - - [20/Nov/2026:12:00:00 +0100] "GET /x HTTP/1.1" 200 5 12345 "r7"'
    made = parser("combined", revision_from="x-revision", log_format=r"%h %l %u %t \"%r\" %>s %b %D \"%{X-Revision}o\"")
    row = made.parse(line, 1).events.row(0, named=True)
    assert (row["revision"], row["duration_ms"], row["time_ms"]) == ("r7", 12.345, 1795172400000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "the revision of the lines is unknown"),
        ({"revision": "r", "revision_from": "client"}, "both given"),
        ({"revision_from": "client:r.*"}, "has no group"),
        ({"revision_from": "client:("}, "is not a regular expression"),
        ({"revision": "r", "log_format": "$request"}, "has no status"),
    ],
)
def test_wrong_arguments_are_usage_errors(arguments, message):
    with pytest.raises(UsageError, match=message):
        parser("combined", **arguments)


def test_field_that_neither_a_line_nor_its_wrapper_has_is_a_usage_error():
    line = '192.0.2.7 - - [24/Nov/2026:10:00:00 +0000] "GET /cart HTTP/1.1" 200 512'
    with pytest.raises(UsageError, match=r"--revision-from: a line has no field 'colour': it has .*status"):
        parser("combined", revision_from="colour").parse(line.encode(), 1)
    wrapped = json.dumps({"log": f"{line}\n", "stream": "stdout", "attrs": {"rev": "r1"}})
    with pytest.raises(UsageError, match=r"has no field 'colour': it has .*attrs.rev"):
        parser("combined", revision_from="colour").parse(wrapped.encode(), 1)


def parser(fmt, **arguments):
    defaults = {"revision": None, "revision_from": None, "log_format": None}
    return Parser(
        fmt, service="shop", fields=FieldNames(), ignore_paths=(), default_host="local", **{**defaults, **arguments}
    )


@given(st.lists(st.binary(max_size=120), max_size=8), st.sampled_from(["haproxy", "combined", "jsonl"]))
def test_any_bytes_parse_and_each_line_is_accounted_for(lines, fmt):
    parsed = parser(fmt, revision="r1").parse(b"\n".join(lines), 1)
    assert len(parsed.events) + len(parsed.rejects) + parsed.ignored + parsed.without_revision == parsed.lines


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12)


@given(
    TEXT,
    TEXT,
    TEXT,
    st.sampled_from(["GET", "POST", "get", "-"]),
    st.integers(0, 999),
    st.sampled_from(["", " 0.5", " x"]),
)
def test_quick_pattern_agrees_with_the_full_one(path, agent, client, method, code, tail):
    line = f'{client} - - [20/Nov/2026:12:00:00 +0000] "{method} /{path} HTTP/1.1" {code} 5 "-" "{agent}"{tail}'
    nginx = declared('$remote_addr - - [$time_local] "$request" $status $x "$a" "$b"').template
    for form in (COMBINED, nginx, HTTPLOG):
        series = pl.Series([line])
        quick, full = (series.str.extract_groups(pattern).to_list()[0] for pattern in (form.quick, form.pattern))
        if any(value is not None for value in quick.values()):
            assert quick == full


def test_sample_log_of_the_shop_imports_completely(tmp_path):
    sys.path.insert(0, str(ROOT / "examples" / "shop"))
    sample = importlib.import_module("sample")
    world = World(tmp_path, (ROOT / "examples" / "shop" / "pratique.toml").read_text())
    lines = sample.lines(datetime(2026, 11, 20, 12, tzinfo=UTC), minutes=2)
    summary = world.take(world.log("a.log", *lines), log_format=sample.LOG_FORMAT, revision_from="revision")
    assert (summary.events, summary.rejected) == (len(lines), 0)
    assert parse("", tmp_path) is not None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"time": 10**30}, "its time cannot be read (time)"),
        ({"time": 1e30}, "its time cannot be read (time)"),
        ({"code": 10**30}, "its status is not a status code (code)"),
        ({"code": 1e300}, "its status is not a status code (code)"),
        ({"revision": "r9\nshop r1"}, "a control character in its revision, host or action"),
        ({"revision": "r9\x1b]0;x\x07"}, "a control character in its revision, host or action"),
        ({"host": "\u2028"}, "a control character in its revision, host or action"),
    ],
)
def test_hostile_line_is_rejected_alone(world, change, reason):
    lines = [json.dumps(EVENT)] * 100 + [json.dumps(EVENT | change)]
    summary = world.take(world.log("a.jsonl", *lines), fmt="jsonl")
    assert (summary.events, summary.reasons) == (100, {reason: 1})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"revision": True}, "its 'revision' is true, which is no text or number"),
        ({"revision": ["r1", "r2"]}, "its 'revision' is a list of 2 values"),
        ({"host": False}, "its 'host' is false, which is no text or number"),
        ({"duration_ms": True}, "its 'duration_ms' is true, which is no text or number"),
        ({"code": True}, "its 'code' is true, which is no text or number"),
    ],
)
@pytest.mark.parametrize("other", [{}, {"odd": "\ud800"}, {"host": "true"}])
@pytest.mark.slow
def test_a_value_of_a_wrong_type_rejects_its_line_with_the_name_of_the_field(world, change, reason, other):
    lines = [json.dumps(EVENT | {"host": "h"} | other)] * 100 + [json.dumps(EVENT | {"host": "h"} | change)]
    summary = world.take(world.log("a.jsonl", *lines), fmt="jsonl")
    assert (summary.events, summary.reasons) == (100, {reason: 1})


@pytest.mark.parametrize("first", [["r1"], "r1"])
def test_a_list_of_one_value_counts_as_this_value(world, first):
    lines = [json.dumps(EVENT | {"revision": first}), json.dumps(EVENT | {"revision": ["r1"]})]
    assert world.take(world.log("a.jsonl", *lines), fmt="jsonl").revisions == {"r1": 2}


def test_fields_of_a_w3c_log_can_be_named(world):
    header = "#Fields: date time cs-method cs-uri-stem sc-status time-taken X-Revision"
    lines = [f"2026-11-20 10:00:0{second} GET /cart 200 120 r{second}" for second in range(3)]
    other = [header.replace(" X-Revision", " X-Other"), "2026-11-20 10:00:05 GET /cart 200 120 x"]
    log = world.log("i.log", header, *lines, *other)
    summary = world.take(log, fmt="iis", field_names=["revision=X-Revision", "duration=time-taken:us"])
    assert (summary.revisions, summary.without_revision) == ({"r0": 1, "r1": 1, "r2": 1}, 1)
    assert world.rows()[0]["sum_ms"] == pytest.approx(0.12)
    with pytest.raises(UsageError, match="a line has no field 'X-Rev'"):
        world.take(log, fmt="iis", field_names=["revision=X-Rev"])


@pytest.mark.parametrize("change", [{"path": "/\ud800"}, {"revision": "\ud800"}, {"duration_ms": 1e300}])
def test_line_with_an_odd_value_is_stored(world, change):
    log = world.log("a.jsonl", json.dumps(EVENT | change))
    assert world.take(log, fmt="jsonl").events == 1
    assert world.rows()[0]["sum_ms"] < 10


def test_invalid_request_time_is_ignored(world):
    assert world.take(world.log("a.log", LINE.format(1).replace("0.012", "9" * 400)), revision="r1").events == 1
    assert world.rows()[0]["sum_ms"] == 0


@pytest.mark.parametrize("revision", ["a\nb", "", "x" * 201, "\x1b[2J"])
def test_revision_that_is_not_one_printable_line_is_refused(revision):
    with pytest.raises(UsageError, match="is not a revision name"):
        parser("combined", revision=revision)


CHANGES = {
    "a shorter window": "[telemetry]\nwindow_s = 3",
    "a longer window": "[telemetry]\nwindow_s = 45",
    "the name of an action": '[services.shop]\nactions = [{ path = "/cart", action = "basket" }]',
    "the host": '[telemetry]\nhost = "elsewhere"',
    "the ignored paths": '[services.shop.imports]\nignore_paths = ["/nothing"]',
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.slow
def test_a_log_imported_again_after_a_setting_changed_counts_once(world, change):
    """Rows under the old windows or names would stay beside the new ones."""
    lines = [LINE.format(second) for second in range(50)]
    other = world.log("other.log", *(line.replace("10.0.0.1", "10.0.0.2") for line in lines))
    world.take(world.log("access.log", *lines), other, revision="r1")
    (world.folder / "pratique.toml").write_text(CHANGES[change])
    world.config = load(world.folder / "pratique.toml")
    world.take(world.log("access.log", *lines, LINE.format(55)), revision="r1")
    assert world.total() == 101
    world.take(other, revision="r2")
    assert {row["revision"] for row in world.rows()} == {"r1", "r2"}
    assert world.total() == 101


def gateway_line(second, **changes):
    body = {"t": f"2026-11-24 10:00:{second:02d} UTC", "rq": "/cart", "st": 200, "took": "120 ms", "rel": "r41"}
    return json.dumps({**body, **changes})


NAMED = ("time=t", "path=rq", "status=st", "duration=took", "revision=rel")


def test_durations_that_cannot_be_read_are_counted_with_one_of_them(world):
    lines = [gateway_line(second, took="0.3 fortnights" if second % 10 == 9 else "120 ms") for second in range(60)]
    summary = world.take(world.log("gateway.jsonl", *lines), fmt="jsonl", field_names=NAMED)
    assert summary.events == 60
    said = (
        "6 of 60 durations cannot be read, such as '0.3 fortnights' (took, with its unit): these requests count untimed"
    )
    assert summary.warnings() == [said]


def test_no_value_is_named_that_no_line_has(world):
    summary = world.take(world.log("gateway.jsonl", gateway_line(1)), fmt="jsonl", field_names=NAMED)
    assert summary.notes[-1] == (
        "time from t; status from st; path from rq; duration from took (with its unit); revision from rel"
    )


@pytest.mark.parametrize(
    ("names", "change", "said"),
    [
        (NAMED, {"t": "24.11.2026 10:00"}, "its time cannot be read (t); nothing was stored, give its form, as in --field 'time=t:"),
        (NAMED, {"t": "2026-11-24 10:00:00 CET"}, "its zone is named CET (t), but UTC does not have this name at that time; nothing was stored, give the zone"),
        (("time=t:%Y-%m-%d %H:%M:%S %Z", *NAMED[1:]), {"t": "2026-11-24 10:00:00 CET"}, "its zone is named CET (t), but UTC does not have"),
        (NAMED, {"st": "HTTP 200"}, "its status is not a status code (st); nothing was stored, take a part of it, as in --field 'status=st:([0-9]{3})'"),
    ],
)  # fmt: skip
def test_a_log_whose_values_have_another_form_is_refused_with_a_way_out(world, names, change, said):
    log = world.log("gateway.jsonl", *[gateway_line(second, **change) for second in range(5)])
    with pytest.raises(DataError, match=re.escape(said)):
        world.take(log, fmt="jsonl", field_names=names)


def test_name_of_a_zone_is_read_in_the_zone_that_has_it(world):
    log = world.log("gateway.jsonl", gateway_line(0, t="2026-11-24 10:00:00 CET"))
    summary = world.take(log, fmt="jsonl", field_names=NAMED, timezone="Europe/Vienna")
    assert summary.first == datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.mark.parametrize(("begins", "said"), [(30, "overlaps it by 10 min"), (41, ""), (0, "")])
def test_an_export_that_overlaps_the_one_before_it_is_a_warning(world, begins, said):
    def export(first, last):
        lines = [gateway_line(0, t=f"2026-11-24 10:{minute:02d}:00 UTC") for minute in range(first, last)]
        return world.take(world.log("export.jsonl", *lines), fmt="jsonl", field_names=NAMED).warnings()

    assert export(0, 41) == []
    warnings = export(begins, 60)
    assert len(warnings) == bool(said)
    assert all(said in warning for warning in warnings)
