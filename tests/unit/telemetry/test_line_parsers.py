"""Logs of programs without a preset: what one line of each tells, and what a refusal says."""

import json
from datetime import UTC, datetime

import pytest

from pratique.config import FieldNames
from pratique.errors import DataError
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


def read(line, *, log_format=None, fields=(), fmt="auto", timezone="UTC"):
    """The time of day in UTC, the request, the code and the milliseconds of one line."""
    made = Parser(
        fmt,
        service="shop",
        fields=FieldNames(),
        ignore_paths=(),
        default_host="h",
        revision="r41",
        revision_from=None,
        log_format=log_format,
        timezone=timezone,
        field_names=fields,
    )
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
