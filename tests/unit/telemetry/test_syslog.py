"""Syslog: messages of HAProxy, Docker and glibc are parsed, and hostile ones cannot inject another message."""

import json
import string
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.config import HttplogSettings
from pratique.telemetry.accesslog import NONE, decode, looks_like_access, without_query
from pratique.telemetry.framing import LONGEST, Frames
from pratique.telemetry.logs.meaning import GONE
from pratique.telemetry.syslog import parse

JSON = {"t": 1795226059138, "s": "shop", "r": "r2", "m": "GET", "p": "/cart", "c": 200, "ts": "----", "B": 73, "U": 82}
TIMERS = {"Ti": 0, "TR": 3, "Tw": 0, "Tc": 1, "Tr": 40, "Td": 2, "Ta": 46}
HTTPLOG = (
    "127.0.0.1:51342 [21/Nov/2026:02:00:00.123] shop shop.r2/s0 10/0/1/40/55 200 1024 - - ---- 1/1/0/0/0 0/0 "
    '"GET /cart?x=1 HTTP/1.1"'
)


def new(body, host="web1", app="haproxy"):
    return f"<134>1 2026-11-21T01:54:19.138489+00:00 {host} {app} 31507 - - {body}".encode()


def old(body, host="web1 ", tag="haproxy[31507]"):
    return f"<134>Nov 21 01:54:19 {host}{tag}: {body}".encode()


@pytest.mark.parametrize(
    ("datagram", "host", "app", "procid"),
    [
        (new("hello"), "web1", "haproxy", "31507"),
        (new("hello", host="-"), "-", "haproxy", "31507"),
        (old("hello"), "web1", "haproxy", "31507"),
        (old("hello", host=""), "-", "haproxy", "31507"),
        (b"<134>Nov  1 01:54:19 web1 cron: hello", "web1", "cron", "-"),
        (old("hello", tag="pratique/shop/r1/0123456789ab[99]"), "web1", "pratique/shop/r1/0123456789ab", "99"),
        (
            b"<30>1 2026-11-21T02:00:00.000000Z vm pratique/shop/r1/0123456789ab 99 pratique/shop/r1/0123456789ab - hello",
            "vm",
            "pratique/shop/r1/0123456789ab",
            "99",
        ),
    ],
)
def test_both_forms_are_parsed(datagram, host, app, procid):
    found = parse(datagram)
    assert (found.host, found.app, found.procid, found.body) == (host, app, procid, b"hello")


@pytest.mark.parametrize(
    "datagram", [b"", b"hello", b"<999>Nov 21 01:54:19 a b: c", b"<134>Foo 21 01:54:19 a b: c", b"<134>"]
)
def test_other_datagrams_are_not_messages(datagram):
    assert parse(datagram) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_none(datagram):
    parse(datagram)
    assert decode(datagram) is None or b"{" in datagram or b"[" in datagram


def test_haproxy_timers_become_the_duration_of_the_request():
    line = decode(new(json.dumps(JSON | TIMERS | {"Ti": 5000, "b": "x.1", "q": 7})))
    assert (line.time_ms, line.duration_ms, line.host) == (JSON["t"] + 5000, 43.0, "web1")
    assert (line.boot, line.sequence, line.revision, line.code) == ("x.1", 7, "r2", 200)


def test_line_without_numbering_has_no_boot():
    assert decode(new(json.dumps(JSON | TIMERS))).boot == ""


@pytest.mark.parametrize(
    ("change", "code", "duration", "revision"),
    [
        ({"c": -1, "ts": "CD--", "Tr": -1}, GONE, None, "r2"),
        ({"c": 503, "ts": "SC--", "Tr": -1}, 503, None, "r2"),
        ({"c": 400, "ts": "PR--", "TR": -1, "Tr": -1, "r": "-", "m": "-", "p": "-"}, 400, None, NONE),
        ({"r": ""}, 200, 43.0, NONE),
        ({"r": None}, 200, 43.0, NONE),
    ],
)
def test_aborted_requests_are_counted_without_duration(change, code, duration, revision):
    line = decode(new(json.dumps(JSON | TIMERS | change)))
    assert (line.code, line.duration_ms, line.revision) == (code, duration, revision)


@pytest.mark.parametrize("header", [new, old])
def test_haproxy_httplog_is_parsed(header):
    line = decode(header(HTTPLOG), HttplogSettings(revision_from=r"backend:^shop\.(.+)$"))
    assert (line.service, line.revision, line.method, line.path, line.code) == ("shop", "r2", "GET", "/cart?x=1", 200)
    assert (line.time_ms, line.duration_ms, line.host) == (1795226400123, 45.0, "web1")


def test_httplog_with_a_service_name_and_the_revision_from_the_server():
    settings = HttplogSettings(service="store", revision_from="server")
    line = decode(old(HTTPLOG), settings)
    assert (line.service, line.revision) == ("store", "s0")


def test_backend_without_revision_gives_none():
    line = decode(old(HTTPLOG), HttplogSettings(revision_from=r"backend:^other\.(.+)$|^shop"))
    assert line.revision == NONE


@pytest.mark.parametrize("total", ["9" * 400, str(int(1.7976931348623157e308)), "9" * 13])
def test_invalid_duration_is_none(total):
    line = decode(old(HTTPLOG.replace("40/55", f"40/{total}")))
    assert (line.code, line.duration_ms) == (200, None)


def test_httplog_time_is_in_the_configured_zone():
    line = decode(old(HTTPLOG), HttplogSettings(timezone="Europe/Vienna"))
    assert line.time_ms == 1795226400123 - 3_600_000
    with pytest.raises(ValueError, match="timezone"):
        HttplogSettings(timezone="Mars/Olympus")


FORWARDED = [
    (
        (
            b"<134>2026-01-15T09:34:11.260123+01:00 lb1 haproxy[8]: 192.0.2.3:2842 [15/Jan/2026:09:34:11.065] main "
            b'app/web_r1 0/0/1/6/7 200 649 - - ---- 1/1/0/0/0 0/0 "GET /x HTTP/1.1"'
        ),
        (200, 7.0, "2026-01-15T08:34:11.065"),
    ),
    (
        (
            b"<134>2026-01-15T08:34:12.260Z lb1 haproxy[8]: 192.0.2.3:2843 [15/Jan/2026:09:34:12.065] main app/web_r1 "
            b'0/0/1/6/9 503 649 - - ---- 1/1/0/0/0 0/0 "GET https://shop.example/x/1?y HTTP/2.0"'
        ),
        (503, 9.0, "2026-01-15T08:34:12.065"),
    ),
]


@pytest.mark.parametrize(("datagram", "expected"), FORWARDED)
def test_rsyslogs_forward_format_is_parsed_and_its_header_tells_the_zone(datagram, expected):
    line = decode(datagram, HttplogSettings(revision_from=r"server:_(r\d+)$"))
    time = datetime.fromtimestamp(line.time_ms / 1000, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    assert (line.code, line.duration_ms, time) == expected
    assert (line.host, line.revision, line.path.startswith("/x")) == ("lb1", "r1", True)


def test_an_absolute_target_is_kept_as_its_path():
    assert decode(FORWARDED[1][0]).path == "/x/1"
    assert decode(new(json.dumps(JSON | TIMERS | {"p": "https://shop.example"}))).path == "/"


@pytest.mark.parametrize("server", ["<NOSRV>", "<STATS>", "<PROMEX>"])
def test_haproxys_own_answers_have_no_revision(server):
    line = decode(old(HTTPLOG.replace("shop.r2/s0", f"shop/{server}")), HttplogSettings(revision_from="server"))
    assert line.revision == NONE


@pytest.mark.parametrize(
    ("text", "is_access"),
    [
        ("127.0.0.1:39726 [24/Nov/2026:10:00:01.161] web-https/1: Connection closed during SSL handshake", False),
        ("Server web/web_r1 is DOWN, reason: Layer4 timeout", False),
        (HTTPLOG[:60], True),
    ],
)
def test_messages_of_haproxy_about_itself_are_no_broken_access_lines(text, is_access):
    assert looks_like_access(parse(old(text))) is is_access


HOSTILE = [
    '" 200 0 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1',
    "\n<134>Nov 21 01:54:19 haproxy[1]: ",
    '","r":"r1","x":"',
    "\\",
    "\x00",
    "\u2028",
    "<134>1 2026-11-21T01:54:19Z h haproxy 1 - - {}",
    "é" * 1000,
]


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_path_stays_a_path(path):
    line = decode(new(json.dumps(JSON | TIMERS | {"p": path})))
    assert (line.revision, line.code, line.path) == ("r2", 200, path)


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_path_in_an_httplog_changes_no_other_field(path):
    line = decode(old(HTTPLOG.replace("/cart?x=1", path)), HttplogSettings(revision_from=r"backend:^shop\.(.+)$"))
    assert line is None or (line.service, line.revision, line.code) == ("shop", "r2", 200)


@pytest.mark.parametrize("revision", ["r\n1", "r\x00", "x" * 301, "\u2028"])
def test_hostile_revision_is_refused(revision):
    assert decode(new(json.dumps(JSON | TIMERS | {"r": revision}))) is None


messages = st.lists(
    st.text(string.ascii_letters + string.digits + '<>{} \t"é', min_size=1, max_size=60).map(lambda t: "<" + t),
    max_size=8,
)


@given(messages, st.data())
def test_frames_are_restored_from_any_chunks(texts, data):
    stream = b""
    for text in texts:
        content = text.encode()
        counted = data.draw(st.booleans())
        stream += (
            b"%d %b" % (len(content), content)
            if counted
            else content + data.draw(st.sampled_from([b"\n", b"\r\n", b"\0\n"]))
        )
    frames, found = Frames(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += frames.feed(stream[:cut])
        stream = stream[cut:]
    assert [frame.decode() for frame in found] == texts
    assert (frames.broken, frames.dropped) == (False, 0)


@given(st.lists(st.binary(min_size=1, max_size=100), max_size=10))
def test_any_stream_yields_bounded_frames(chunks):
    frames = Frames()
    for chunk in chunks:
        assert all(len(frame) <= LONGEST for frame in frames.feed(chunk))


@pytest.mark.parametrize("stream", [b"12x<34>", b"0 <34>", b"1234567 <34>"])
def test_invalid_count_breaks_the_stream(stream):
    frames = Frames()
    assert list(frames.feed(stream)) == []
    assert frames.broken


@pytest.mark.parametrize("counted", [True, False])
def test_too_long_frame_is_skipped(counted):
    frames, long = Frames(), b"x" * (3 * LONGEST)
    stream = b"%d %b" % (len(long), long) if counted else long + b"\n"
    found = []
    for at in range(0, len(stream), 1000):
        found += frames.feed(stream[at : at + 1000])
        assert len(frames._rest) <= LONGEST + 1000
    found += frames.feed(b"<34>next\n")
    assert (found, frames.dropped) == ([b"<34>next"], 1)


def test_last_line_needs_no_newline():
    frames = Frames()
    assert list(frames.feed(b"<34>one\n<34>two")) == [b"<34>one"]
    assert frames.end() == b"<34>two"


def test_message_has_its_body():
    assert parse(new("hello")).body == b"hello"
    assert parse(b"none") is None


@pytest.mark.parametrize("piece", ["-", "- ", "a:", "haproxy ", "]:", "x ", "1.1.1.1:1 [", '{"a":{', "{} ", '" '])
def test_parsing_time_grows_linearly_with_the_length(piece):
    """Ten times as long may take ten times as long, and not a hundred times."""

    def seconds(length):
        datagram, took = old((piece * length)[:length]), []
        for _ in range(5):
            began = time.thread_time()
            decode(datagram)
            took.append(time.thread_time() - began)
        return min(took)

    assert seconds(15_000) < 40 * max(seconds(1500), 1e-4)


@pytest.mark.parametrize(
    "datagram",
    [
        new(json.dumps(JSON | TIMERS | {"p": "/cart?token=SECRET"})),
        old(json.dumps(JSON | {"p": '/cart?a=1&b="?SECRET', "d": 1.0, "more": [1]})),
        new(json.dumps(JSON | {"d": 1.0}).replace("/cart", "/cart\\u003fSECRET")),
        new(HTTPLOG.replace("x=1", "token=SECRET")),
        old(HTTPLOG.replace("x=1", "SECRET?SECRET")),
        new(HTTPLOG.replace(" HTTP/1.1", "")),
    ],
)
def test_a_line_is_kept_without_its_query_and_is_otherwise_the_same(datagram):
    kept = without_query(datagram, parse(datagram))
    assert b"SECRET" not in kept
    assert b"?" not in kept.rpartition(b"GET")[2]
    before, after = decode(datagram), decode(kept)
    assert after.path == "/cart"
    assert after == replace(before, path="/cart")


@pytest.mark.parametrize("datagram", [new(json.dumps(JSON | TIMERS)), new(HTTPLOG.replace("?x=1", ""))])
def test_a_line_without_a_query_is_kept_as_it_came(datagram):
    assert without_query(datagram, parse(datagram)) is datagram


@pytest.mark.parametrize("name", ["t", "s", "m", "p", "c"])
def test_a_null_counts_as_missing(name):
    assert decode(new(json.dumps(JSON | TIMERS | {name: None}))) is None
