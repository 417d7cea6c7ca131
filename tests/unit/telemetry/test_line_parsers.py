"""Logs of programs without a preset: what one line of each tells, and what a refusal says."""

import json
from datetime import UTC, datetime

import pytest

from pratique.config import FieldNames
from pratique.errors import DataError, UsageError
from pratique.telemetry.line_parsers import Parser

COMBINED = '192.0.2.7 - - [24/Nov/2026:10:00:00 +0000] "GET /cart HTTP/1.1" 200 512 "-" "curl/8"'
CLOUDFLARE = {
    "ClientRequestMethod": "GET",
    "ClientRequestURI": "/cart?x=1",
    "EdgeResponseStatus": 200,
    "EdgeTimeToFirstByteMs": 12,
    "EdgeStartTimestamp": 1795514400123000000,
}
CLOUDFLARE_FIELDS = (
    "time=EdgeStartTimestamp",
    "status=EdgeResponseStatus",
    "path=ClientRequestURI",
    "method=ClientRequestMethod",
    "duration=EdgeTimeToFirstByteMs",
)
KONG = {
    "request": {"method": "GET", "uri": "/cart"},
    "response": {"status": 200},
    "latencies": {"request": 12},
    "started_at": 1795514400123,
}
RAILS = "method=GET path=/cart format=html controller=CartsController action=show status=200 duration=12.0"


def parser(*, log_format=None, fields=(), fmt="auto", timezone="UTC", revision="r41", revision_from=None):
    return Parser(
        fmt,
        service="shop",
        fields=FieldNames(),
        ignore_paths=(),
        default_host="h",
        revision=revision,
        revision_from=revision_from,
        log_format=log_format,
        timezone=timezone,
        field_names=fields,
    )


def read(line, **options):
    """The time of day in UTC, the request, the code and the milliseconds of one line."""
    made = parser(**options)
    parsed = made.parse(line.encode(), 1)
    assert len(parsed.events) == 1, parsed.rejects
    row = parsed.events.row(0, named=True)
    time = datetime.fromtimestamp(row["time_ms"] / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
    return time, row["action"] or f"{row['method']} {row['path']}", row["code"], row["duration_ms"]


@pytest.mark.parametrize(
    ("tail", "duration_ms"),
    [("0.012", 12.0), ("12.345 ms", 12.345), ("12.345ms", 12.345), ("0.012s", 12.0), ("512.5us", 0.5125)],
)
def test_unit_behind_the_duration_of_a_combined_line_counts(tail, duration_ms):
    assert read(f"{COMBINED} {tail} r41") == ("10:00:00.000", "GET /cart", 200, pytest.approx(duration_ms))


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (f"time=2026-11-24T10:00:00.123Z {RAILS}", ("duration=duration:ms",)),
        (f"I, [2026-11-24T10:00:00.123456 #12345]  INFO -- : {RAILS}", ("duration=duration:ms",)),
        (json.dumps(CLOUDFLARE), CLOUDFLARE_FIELDS),
        (json.dumps(CLOUDFLARE | {"EdgeStartTimestamp": "2026-11-24T10:00:00.123Z"}), CLOUDFLARE_FIELDS),
        (
            json.dumps(KONG),
            (
                "time=started_at",
                "status=response.status",
                "path=request.uri",
                "method=request.method",
                "duration=latencies.request:ms",
            ),
        ),
        (
            (
                '2026/11/24 10:00:00.123\tinfo\thttp.log.access.log0\thandled request\t{"request": {"method": "GET", '
                '"host": "shop", "uri": "/cart"}, "duration": 0.012, "status": 200}'
            ),
            (),
        ),
    ],
    ids=["lograge", "lograge behind Ruby's logger", "Cloudflare ns", "Cloudflare RFC 3339", "Kong", "Caddy's console"],
)
def test_named_values_of_other_programs_are_read_with_auto(line, fields):
    time, request, code, duration = read(line, fields=fields)
    assert (time, request.partition("?")[0], code, duration) == ("10:00:00.123", "GET /cart", 200, 12.0)


def test_action_of_a_framework_is_no_action_unless_a_person_names_it():
    line = f"time=2026-11-24T10:00:00Z {RAILS}"
    assert read(line)[1] == "GET /cart"
    assert read(line, fields=("action=action",))[1] == "show"
    assert read("time=2026-11-24T10:00:00Z action=buy status=200")[1] == "buy"


@pytest.mark.parametrize(
    ("line", "log_format", "fields"),
    [
        (
            '[GIN] 2026/11/24 - 10:00:00 | 200 |    12.000ms |    192.0.2.7 | GET      "/cart"',
            '[GIN] $day - $clock | $status | $took | $client | $request_method "$request_uri"',
            ("time=day:%Y/%m/%d", "time=clock:%H:%M:%S", "duration=took:ms"),
        ),
        (
            '2026/11/24 10:00:00 [host/abc-1] "GET http://localhost/cart HTTP/1.1" from 192.0.2.7:1 - 200 512B in 12ms',
            '[$id] "$request" from $client - $status ${size}B in $took',
            ("duration=took:ms",),
        ),
        (
            "2026-11-24T10:00:00.000000001Z stdout F GET /cart 200 512 - 12.000 ms",
            "$request_method $request_uri $status $size - $took ms",
            ("duration=took:ms",),
        ),
        (
            "web-1  | 2026-11-24T10:00:00.000000001Z GET /cart 200 512 - 12.000 ms",
            "$request_method $request_uri $status $size - $took ms",
            ("duration=took:ms",),
        ),
        (
            '[24/Nov/2026 10:00:00] "GET /cart HTTP/1.1" 200 12',
            '[$when] "$request" $status $took',
            ("time=when:%d/%b/%Y %H:%M:%S", "duration=took:ms"),
        ),
    ],
    ids=["gin", "chi", "morgan in Kubernetes", "morgan in docker compose", "Django"],
)
def test_line_is_described_with_names_for_a_program_without_a_format_string(line, log_format, fields):
    time, request, code, duration = read(line, log_format=log_format, fields=fields)
    assert (time, request.replace("http://localhost", ""), code, duration) == ("10:00:00.000", "GET /cart", 200, 12.0)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"res": {"statusCode": 200}, "time": 1795514400123}, r"status.*res\.statusCode.*--field status=NAME"),
        ({"status": 200, "time": 1795514400123, "target": "/"}, r"path.*target.*--field path=NAME"),
        ({"status": 200, "path": "/", "requestTime": "x"}, r"time.*requestTime.*--field time=NAME"),
    ],
)
def test_auto_says_which_value_of_a_json_log_has_an_unknown_name(body, wanted):
    with pytest.raises(DataError, match=f"no field is known as the {wanted}"):
        read(json.dumps(body))


def test_header_of_one_w3c_log_is_not_that_of_the_next():
    made = read("#Fields: date time cs-method cs-uri-stem sc-status\n2026-11-24 10:00:00 GET /cart 200")
    assert made[:3] == ("10:00:00.000", "GET /cart", 200)
    with pytest.raises(DataError, match="no known format"):
        read("2026-11-24 10:00:00 GET /cart 200")


LOGBACK = '2026-11-24 10:00:00,123 INFO  [pool-1] c.a.AccessLog - verb=GET uri="/cart?x=1" rc=502 took=12.5ms build=r41'
LOGBACK_FORMAT = (
    '$day $clock $level [$thread] $logger - verb=$request_method uri="$request_uri" rc=$status took=$took build=$build'
)
LOGBACK_TIME = ("time=day:%Y-%m-%d", "time=clock:%H:%M:%S,%f")


@pytest.mark.parametrize("level", ["INFO  ", "DEBUG ", "WARN     "])
def test_blanks_that_align_a_column_are_one_blank_of_the_format(level):
    line = LOGBACK.replace("INFO  ", level)
    found = read(line, log_format=LOGBACK_FORMAT, fields=(*LOGBACK_TIME, "duration=took"))
    assert found == ("10:00:00.123", "GET /cart", 502, 12.5)


def test_an_empty_value_between_two_blanks_stays_empty():
    line = "24/Nov/2026:10:00:00 +0000  GET /cart 200 r41"
    found = read(line, log_format="$time_local $user $request_method $request_uri $status $rev")
    assert found == ("10:00:00.000", "GET /cart", 200, None)


@pytest.mark.parametrize("log_format", [LOGBACK_FORMAT, LOGBACK_FORMAT.replace("$took", "${took}ms")])
def test_duration_of_a_text_without_a_unit_asks_for_it(log_format):
    line = LOGBACK if "}ms" in log_format else LOGBACK.replace("12.5ms", "12.5")
    with pytest.raises(DataError, match="the unit of the duration 'took' is not known: give --field duration=took:s"):
        read(line, log_format=log_format, fields=(*LOGBACK_TIME, "duration=took"))


@pytest.mark.parametrize("between", ["\t", " "])
@pytest.mark.parametrize("fmt", ["iis", "auto"])
def test_w3c_table_with_other_names(between, fmt):
    header = between.join(["#Fields:", "edge_ts", "verb", "resource", "result", "ttlb_us"])
    lines = [header, between.join(["1795514400123", "GET", "/cart?x=1", "TCP_HIT/502", "12500"])]
    fields = ("time=edge_ts", "method=verb", "path=resource", "status=result:/(\\d+)$", "duration=ttlb_us")
    assert read("\n".join(lines), fmt=fmt, fields=fields) == ("10:00:00.123", "GET /cart", 502, 12.5)


def test_w3c_table_without_a_field_that_was_named():
    with pytest.raises(UsageError, match="a line has no field 'verb': it has resource"):
        read("#Fields: resource\n/cart", fmt="iis", fields=("method=verb",))


NESTED = {
    "meta": {"ts": {"epoch_us": 1795514400123000}},
    "ev": [{"rq": {"m": "GET", "u": "/cart"}, "rs": {"st": ["502 Bad"], "lat": {"us": 12500}}}, {"rq": {"m": "PUT"}}],
    "labels": {"app": "shop", "app.example/code": "503"},
}
NESTED_FIELDS = ("time=meta.ts.epoch_us", "method=ev.rq.m", "path=ev.rq.u", "duration=ev.rs.lat.us")


@pytest.mark.parametrize(("status", "code"), [("ev.rs.st:^([0-9]+)", 502), ("labels.app.example/code", 503)])
@pytest.mark.parametrize("more", [{}, {"odd": "\\ud800"}])
def test_json_of_lists_of_objects_and_keys_with_dots(status, code, more):
    # a single surrogate is read line by line, other lines as a block
    found = read(json.dumps(NESTED | more), fmt="jsonl", fields=(*NESTED_FIELDS, f"status={status}"))
    assert found == ("10:00:00.123", "GET /cart", code, 12.5)


def test_an_expression_without_a_group_is_refused_only_where_it_is_one():
    with pytest.raises(UsageError, match="is not a regular expression"):
        read(json.dumps(NESTED), fields=("status=x:(",))
    with pytest.raises(UsageError, match="has no group: put the part with the value in parentheses"):
        read(json.dumps(NESTED), fields=("status=x:(?:a)",))


@pytest.mark.parametrize("fmt", ["jsonl", "auto"])
def test_messages_between_the_requests_of_a_log_are_no_rejects(fmt):
    request = {"time": "2026-11-24T10:00:00Z", "status": 200, "path": "/cart"}
    message = {"time": "2026-11-24T10:00:00Z", "level": "debug", "msg": "refreshed"}
    broken = {"time": "2026-11-24T10:00:00Z", "status": "OK", "path": "/cart"}
    made = parser(fmt=fmt)
    parsed = made.parse("\n".join(map(json.dumps, [request, message, message, broken])).encode(), 1)
    assert parsed.others == {"messages without status, path and duration": 2}
    assert [(number, reason) for number, reason, _ in parsed.rejects] == [
        (4, "its status is not a status code (status)")
    ]


def test_a_line_without_a_request_that_tells_its_revision_is_lost_to_it():
    request = {"time": "2026-11-24T10:00:00Z", "status": 200, "path": "/cart", "revision": "r2"}
    nested = {"time": "2026-11-24T10:00:00Z", "revision": "r2", "error": {"status": 500, "path": "/cart"}}
    logged = {"time": "2026-11-24T10:00:00Z", "revision": "r2", "levelname": "ERROR", "logger": "app", "path": "/cart"}
    made = parser(fmt="jsonl", revision=None, revision_from="revision")
    parsed = made.parse("\n".join(map(json.dumps, [request, nested, logged])).encode(), 1)
    assert (parsed.lost_by_revision, parsed.others) == ({"r2": 2}, {})


def test_format_that_a_person_named_is_not_taken_for_another():
    line = "verb=GET uri=/cart rc=200 took=5ms time=2026-11-24T10:00:00Z"
    made = parser(fmt="logfmt", fields=("method=verb", "path=uri", "status=rc", "duration=took"))
    made.parse(f"{line}\n{line}".encode(), 1)
    assert made.findings.notes()[0].startswith("time from time; status from rc; path from uri")


FAILURES = [
    {"time": "2026-11-24T10:00:00Z", "m": "GET", "p": "/pay", "s": 502},
    {"time": "2026-11-24T10:00:00Z", "level": "error", "error": {"http_status": 500, "endpoint": "/pay"}},
    {"time": "2026-11-24T10:00:00Z", "route": "checkout", "outcome": "503 upstream", "cost_ms": 30},
    {"time": "2026-11-24T10:00:00Z", "levelname": "ERROR", "logger": "app", "msg": "GET /pay HTTP/1.1 failed: 504"},
    {"time": "2026-11-24T10:00:00Z", "err": [{"req": {"verb": "POST", "uri": "https://shop.example/pay"}}]},
]
MESSAGES = [
    {"time": "2026-11-24T10:00:00Z", "level": "debug", "msg": "cache refreshed", "entries": 200},
    {
        "time": "2026-11-24T10:00:00Z",
        "level": "info",
        "msg": "read /etc/shop.toml",
        "file": "/etc/shop.toml",
        "took": 3,
    },
    {"time": "2026-11-24T10:00:00Z", "level": "warn", "msg": "worker exited", "exit_code": 137},
    {"time": "2026-11-24T10:00:00Z", "logger": "app", "levelname": "INFO", "msg": "started in 2 s"},
]
SERVED = {"time": "2026-11-24T10:00:00Z", "status": 200, "path": "/cart"}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("source", [{"revision": "r2"}, {"revision": None, "revision_from": "build"}])
def test_request_of_another_form_than_the_others_is_rejected(failure, source):
    made = parser(fmt="jsonl", **source)
    served = [SERVED | {"build": "r2"}] * 3
    parsed = made.parse("\n".join(map(json.dumps, [*served, failure])).encode(), 1)
    assert len(parsed.events) == 3
    assert [(number, reason.partition(",")[0]) for number, reason, _ in parsed.rejects] == [
        (4, "it looks like a request")
    ]
    assert parsed.lost_by_revision == ({"r2": 1} if source["revision"] else {})


def test_request_of_another_form_in_a_long_line_is_rejected():
    failure = FAILURES[0] | {"trace": "x" * 10_000}
    parsed = parser(fmt="jsonl").parse("\n".join(map(json.dumps, [SERVED, SERVED, failure])).encode(), 1)
    assert len(parsed.rejects) == 1


@pytest.mark.parametrize("fmt", ["jsonl", "logfmt"])
def test_messages_of_a_log_of_one_revision_are_counted_for_it(fmt):
    lines = [SERVED, *MESSAGES[:3]]
    texts = (
        map(json.dumps, lines)
        if fmt == "jsonl"
        else (" ".join(f"{key}={json.dumps(value)}" for key, value in line.items()) for line in lines)
    )
    parsed = parser(fmt=fmt).parse("\n".join(texts).encode(), 1)
    assert not parsed.rejects
    assert parsed.messages_by_revision == {"r41": 3}


def test_messages_of_a_logger_are_counted_by_its_name():
    parsed = parser(fmt="jsonl").parse("\n".join(map(json.dumps, [SERVED, MESSAGES[3]])).encode(), 1)
    assert (parsed.others, parsed.rejects) == ({"messages of the logger app": 1}, [])


@pytest.mark.parametrize("fmt", ["auto", "logfmt"])
@pytest.mark.slow
def test_time_to_read_a_long_text_without_names_grows_with_its_length(fmt):
    long = {
        "auto": COMBINED.replace("curl/8", "a" * 900_000),
        "logfmt": f"{RAILS} time=2026-11-24T10:00:00Z x{'y' * 900_000}",
    }
    # with the square of the length it would be hours
    assert (
        len(
            parser(fmt=fmt, fields=("duration=duration:ms",) if fmt == "logfmt" else ())
            .parse(long[fmt].encode(), 1)
            .events
        )
        == 1
    )


def test_a_person_may_name_the_status_of_a_format_string():
    line = '[2026-11-24 10:00:00] | answer="HTTP/1.1 502 Bad" | GET /pay | [0.25 secs]'
    log_format = '[$t] | answer="$answer" | $request_method $request_uri | [$took]'
    fields = ("time=t", r"status=answer:^\S+ (\d+) ", "duration=took")
    assert read(line, log_format=log_format, fields=fields) == ("10:00:00.000", "GET /pay", 502, 250.0)
    with pytest.raises(UsageError, match="no field 'anwser'"):
        parser(log_format=log_format, fields=("time=t", "status=anwser"))
    with pytest.raises(UsageError, match="or name the status: --field status=NAME"):
        parser(log_format=log_format, fields=("time=t",))


def test_a_format_that_no_line_has_is_reported_and_not_the_unit_of_its_durations():
    made = parser(log_format="$time_iso8601 $request_method $request_uri $status $took", fields=("duration=took",))
    parsed = made.parse(b"2026-11-24T10:00:00Z GET /pay 502", 1)
    assert [reason.partition(",")[0] for _, reason, _ in parsed.rejects] == ["does not match the format at ' '"]
