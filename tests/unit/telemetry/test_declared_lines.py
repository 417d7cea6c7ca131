"""A format that the service file declares counts the same whether its lines are collected or imported."""

from dataclasses import replace
from pathlib import Path

import pytest

from pratique.config import FieldNames, parse
from pratique.telemetry.accesslog import decode, without_query
from pratique.telemetry.declared_lines import DeclaredLines
from pratique.telemetry.line_parsers import Parser
from pratique.telemetry.syslog import parse as parse_message

HAPROXY = (
    "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r rt=%Ta"
)
OWN = "%{+Q}o %ci %trg %ST %Ta %TR %Tr %tsc %rc %b %s %r"
NGINX = '$remote_addr [$time_iso8601] "$request" $status $request_time $upstream_addr $upstream_status rev=$revision'
LINES = [
    (
        HAPROXY,
        r"server:_(r\d+)$",
        '192.0.2.7:4 [24/Nov/2026:10:00:01.400] fe~ be/web_r41 2/0/1/30/33 200 9 - - ---- 1/1/0/0/0 0/0 "GET /cart?token=x HTTP/1.1" rt=33',
    ),
    (
        HAPROXY,
        r"server:_(r\d+)$",
        '192.0.2.7:4 [24/Nov/2026:10:00:02.000] fe be/web_r42 0/0/1/-1/3002 503 9 - - sH-- 1/1/0/0/+3 0/0 "POST /pay HTTP/1.1" rt=3002',
    ),
    (
        HAPROXY,
        r"server:_(r\d+)$",
        '192.0.2.7:4 [24/Nov/2026:10:00:03.000] fe be/web_r42 0/0/1/5/-1 -1 9 - - CD-- 1/1/0/0/1 0/0 "GET https://shop.example/a/b HTTP/2.0" rt=-1',
    ),
    (
        OWN,
        r"server:_(r\d+)$",
        '"192.0.2.7" 24/Nov/2026:12:00:01 +0200 500 109 10 90 "----" 2 "be" "web_r41" "GET /cart HTTP/1.1"',
    ),
    (
        NGINX,
        None,
        '192.0.2.7 [2026-11-24T11:00:01+01:00] "GET /cart HTTP/1.1" 502 1.250 10.0.0.1:80,10.0.0.2:80 502,502 rev=r2',
    ),
    (NGINX, None, '192.0.2.7 [2026-11-24T11:00:01+01:00] "GET /cart HTTP/1.1" 200 0.012 10.0.0.1:80 200 rev=r1'),
]


def settings(log_format, revision_from):
    lines = ["[services.shop.imports]", f"log_format = '''{log_format}'''"]
    lines += [f"revision_from = '''{revision_from}'''"] if revision_from else ["revision_from = 'revision'"]
    return parse("\n".join(lines), Path("pratique.toml"))


def collected(config, line):
    return decode(
        f"<134>Nov 24 10:00:09 haproxy[7]: {line}".encode(), config.telemetry.httplog, "h", DeclaredLines(config)
    )


@pytest.mark.parametrize(("log_format", "revision_from", "line"), LINES)
def test_a_line_that_is_collected_is_that_which_is_imported(log_format, revision_from, line):
    config = settings(log_format, revision_from)
    imports = config.service("shop").imports
    parser = Parser(
        "auto",
        service="shop",
        fields=FieldNames(),
        ignore_paths=(),
        default_host="h",
        revision=None,
        revision_from=imports.revision_from,
        log_format=log_format,
        timezone="UTC",
    )
    parsed = parser.parse(line.encode(), 1)
    assert len(parsed.events) == 1, parsed.rejects
    event = parsed.events.row(0, named=True)
    found = collected(config, line)
    assert found.service == "shop"
    assert (found.time_ms, found.revision, found.method, found.code) == tuple(
        event[name] for name in ("time_ms", "revision", "method", "code")
    )
    assert found.path.partition("?")[0] == event["path"]
    assert found.duration_ms == pytest.approx(event["duration_ms"])
    assert found.host == event["host"]
    attempts = parser.findings.failed_attempts
    assert found.failed_attempts == attempts[event["revision"]]


def test_httplog_tells_failed_attempts_too():
    line = b'<134>Nov 24 10:00:09 haproxy[7]: 192.0.2.7:4 [24/Nov/2026:10:00:01.400] fe be/r41 2/0/1/30/33 200 9 - - ---- 1/1/0/0/+2 0/0 "GET / HTTP/1.1"'
    assert decode(line).failed_attempts == 2


@pytest.mark.parametrize(
    "text", ["", "x", '"192.0.2.7" 24/Nov/2026:99:00:01 +0200 500 1 1 1 "----" 2 "be" "s" "GET / HTTP/1.1"']
)
def test_other_lines_and_wrong_values_are_no_access_line(text):
    assert collected(settings(OWN, "server"), text) is None


@pytest.mark.parametrize(
    "log_format", ["no directive", "%t only", '{"t":"$time_iso8601","s":"$status"}', "$remote_addr $status"]
)
def test_a_format_that_cannot_be_used_does_not_stop_the_collector(log_format):
    config = settings(log_format, "server")
    assert collected(config, LINES[0][2]).service == "fe"


PIPES = "$time_iso8601|$request_method|$request_uri|$status|$request_time|$revision"


def services(*names, log_format=NGINX):
    part = "[services.{}.imports]\nlog_format = '''{}'''\nrevision_from = 'revision'"
    return parse("\n".join(part.format(name, log_format) for name in names), Path("pratique.toml"))


def datagram(line, app="nginx"):
    return f"<134>Nov 24 10:00:09 {app}[7]: {line}".encode()


def test_services_with_the_same_format_differ_by_the_name_of_the_program():
    config = services("shop", "cart")
    formats, line = DeclaredLines(config), LINES[-1][2]
    for name in ("shop", "cart"):
        assert decode(datagram(line, name), config.telemetry.httplog, "h", formats).service == name
    assert decode(datagram(line), config.telemetry.httplog, "h", formats) is None


def test_a_frontend_of_another_service_is_not_taken_for_the_one_that_declares_its_format():
    config = parse(
        f"[services.cart]\n[services.shop.imports]\nlog_format = '''{HAPROXY}'''\nrevision_from = 'server'",
        Path("p.toml"),
    )
    line = LINES[0][2].replace("fe~ be/", "cart~ be/")
    assert decode(datagram(line, "haproxy"), config.telemetry.httplog, "h", DeclaredLines(config)).service == "cart"


def test_a_line_between_other_marks_than_blanks_is_kept_without_its_query():
    config = services("shop", log_format=PIPES)
    formats = DeclaredLines(config)
    given = datagram("2026-11-24T10:00:00+00:00|GET|/a?token=x|200|0.005|r1")
    kept = without_query(given, parse_message(given), formats)
    assert b"token" not in kept
    first, again = (decode(one, config.telemetry.httplog, "h", formats) for one in (given, kept))
    assert (first.path, again.path) == ("/a?token=x", "/a")
    assert again == replace(first, path="/a")


# Python's engine would take minutes
@pytest.mark.timeout(60)
@pytest.mark.parametrize("hostile", [" " * 16_000, "a" * 16_000, '"GET /' + "a" * 16_000, "[2 " * 5000])
def test_a_hostile_datagram_is_read_at_once(hostile):
    config = services(
        "shop", log_format='$remote_addr - $remote_user [$time_local] "$request" $status $request_time $revision'
    )
    formats = DeclaredLines(config)
    for line in (hostile, f"10.0.0.1 - {hostile}", f"10.0.0.1 - - [24/Nov/2026:10:00:00 +0000] {hostile}"):
        assert decode(datagram(line), config.telemetry.httplog, "h", formats) is None
