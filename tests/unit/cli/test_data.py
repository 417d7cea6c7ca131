"""Logs as real set-ups write them, imported by the command line: each request with its code, duration and time."""

import json
from pathlib import Path

import pytest

from pratique.cli import main
from pratique.config import load
from pratique.store import open_store

LOGS = Path(__file__).parents[2] / "data" / "cases" / "logs"
PER_SERVER = ("--revision-from", r"server:_(r\d+)$")
R1 = ("--revision", "r1")
COMBINED = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
NAMES = {"time": "ts", "path": "request.uri", "method": "request.method", "status": "status", "host": "request.host"}
NAMES |= {"duration": "duration:s", "revision": "resp_headers.X-Revision"}
NGINX_MAIN = r"""log_format main '$remote_addr - $remote_user [$time_local] "$request" ' '$status $body_bytes_sent "$http_referer" '
    '"$http_user_agent" "$http_x_forwarded_for" '
    'rt=$request_time uct="$upstream_connect_time" uht="$upstream_header_time" urt="$upstream_response_time" rev=$revision';"""
HTTPSLOG = (
    'log-format "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs '
    '%sslv %sslc %{+Q}r"'
)
TRAEFIK = '%h - %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %{n}x "%{router}x" "%{url}x" %{ms}Tms'
TOMCAT = "%a;%A;%b;%B;%h;%H;%l;%m;%p;%q;%r;%s;%S;%t;%u;%U;%v;%D;%T;%I;%{Referer}i;%{User-Agent}i"
XML = "%h %l %u %t &quot;%r&quot; %s %b &quot;%{Referer}i&quot; &quot;%{User-Agent}i&quot; %D"
STRFTIME = (
    r"%{%Y-%m-%d %T}t.%{msec_frac}t %{%z}t %v:%p [%{c}a|%a] [%{X-Forwarded-For}i] %X \"%u\" \"%r\" %>s %Ib %Ob %{us}Tus"
)
JSON_FORMAT = (
    """log_format j escape=json '{"t":"$time_iso8601","st":"$status","rt":"$request_time","r":"$request",' """
    """'"up":"$upstream_addr","rev":"$upstream_http_x_rev"}';"""
)
VALVE = '<Valve className="AccessLogValve" pattern="%h %l %u %t &quot;%r&quot; %s %b %D %T" />'


def given(fmt, log_format=None, *more):
    """The options of an import."""
    return ["--format", fmt, *(["--log-format", log_format] if log_format else []), *more]


def fields(**names):
    """The options that name fields."""
    return [word for meaning, name in names.items() for word in ("--field", f"{meaning}={name}")]


CASES = [
    # file, options, first time, requests: revision, action, code, ms together (None: untimed), number
    (
        "apache-two-status.log",
        given("combined", r"%h %l %u %t \"%r\" %s %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %D", *R1),
        "2026-11-24 10:00:00.000",
        ["r1 GET /cart 200 9.582", "r1 GET /gone 404 1.2", "r1 POST /pay 500 1500"],
    ),
    (
        "nginx-rewritten-uri.log",
        given("combined", '$remote_addr [$time_local] $uri "$request" $status $request_time', *R1),
        "2026-11-24 10:00:00.000",
        ["r1 GET /cart/{id} 200 12", "r1 POST /pay 502 1500"],
    ),
    (
        "nginx-two-times.log",
        given(
            "combined",
            '$http_host $remote_addr [$time_local] $msec "$request" $status $body_bytes_sent "$http_referer" '
            '"$http_user_agent" $request_time $upstream_response_time',
            *R1,
        ),
        "2026-11-24 02:15:09.217",
        ["r1 GET /login 200 3", "r1 POST /pay 502 1250"],
    ),
    (
        "haproxy32-checks.log",
        given("haproxy", None, *PER_SERVER),
        "2026-11-24 10:00:01.400",
        ["r41 GET /cart 200 23", "r42 POST /pay 502 31"],
    ),
    (
        "haproxy-nosrv.log",
        given("haproxy", None, "--revision-from", "server"),
        "2026-11-24 10:06:02.899",
        ["web_r41 GET /a 200 8", "web_r42 GET /a 503 None"],
    ),
    (
        "haproxy-clf.log",
        given("haproxy", None, *PER_SERVER),
        "2026-11-24 10:00:00.655",
        ["r41 GET /cart 200 99", "r42 GET /cart 200 42", "r42 POST /pay 503 None"],
    ),
    (
        "haproxy-json.jsonl",
        given("haproxy", None, *PER_SERVER),
        "2026-11-24 10:00:00.100",
        ["r41 GET /cart/{id} 200 25", "r42 POST /pay 500 905"],
    ),
    (
        "traefik-clf.log",
        given("combined", TRAEFIK, "--revision-from", r"router:-(r\d+)@"),
        "2026-11-24 10:00:00.000",
        ["r41 GET /cart 200 247", "r42 GET /img 304 0", "r42 POST /pay 502 3"],
    ),
    (
        "traefik-clf.log",
        given("traefik", None, "--revision-from", r"router:-(r\d+)@"),
        "2026-11-24 10:00:00.000",
        ["r41 GET /cart 200 247", "r42 GET /img 304 0", "r42 POST /pay 502 3"],
    ),
    (
        "istio-text.log",
        given("envoy", None, "--revision-from", r"upstream_cluster:\|(r\d+)\|"),
        "2026-11-24 10:00:00.418",
        ["r41 GET /status/{id} 418 4", "r42 GET /cart 0 1500", "r42 POST /pay 503 21"],
    ),
    (
        "gunicorn-d.log",
        given("combined", '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(T)s %(D)s %(L)s', *R1),
        "2026-11-24 10:00:00.000",
        ["r1 GET /cart 200 9.582", "r1 POST /pay 500 1040.07"],
    ),
    (
        "tomcat-semicolon.log",
        given("combined", TOMCAT, *R1),
        "2026-11-24 10:00:00.000",
        ["r1 GET /link/params 200 297", "r1 POST /link/pay 500 1600"],
    ),
    *(
        (
            "heroku-router.log",
            given(name, None, *R1, *options),
            "2026-11-24 10:00:00.813",
            ["r1 GET / 503 None", "r1 GET /pay 503 30000", "r1 POST /orders 200 112"],
        )
        for name, options in (
            ("logfmt", fields(duration="service", host="dyno")),
            ("heroku", []),
            ("auto", []),
        )
    ),
    (
        "prefixed-combined.log",
        given("combined", None, *R1),
        "2026-11-04 10:00:00.000",
        ["r1 GET / 200 None", "r1 GET /a 404 1", "r1 GET /cart 200 12", "r1 POST /pay 500 1500"],
    ),
    (
        "nginx-main.log",
        given("combined", NGINX_MAIN, "--revision-from", "revision"),
        "2026-11-24 10:00:00.000",
        ["r1 GET /cart 200 12", "r2 POST /pay 502 1250"],
    ),
    (
        "api-version.log",
        given("combined", None, *R1),
        "2026-11-24 10:00:00.000",
        ["r1 GET /api/v1/configuration 200 12", "r1 GET /api/v1/orders 500 1500", "r1 GET /api/v2/search 200 500"],
    ),
    (
        "ingress.log",
        given("ingress-nginx", None, "--revision-from", r"proxy_upstream_name:shop-(r\d+)"),
        "2026-05-04 10:00:00.000",
        ["r1 GET /a 200 9", "r2 GET /a 502 1209"],
    ),
    (
        "zone.log",
        given("haproxy", None, *PER_SERVER),
        "2026-05-04 10:00:00.100",
        ["r1 GET /a 503 9", "r2 GET /a 200 9"],
    ),
    ("dockerlog.log", given("haproxy", None, *PER_SERVER), "2026-05-04 10:00:00.633", ["r2 GET /a 200 9"]),
    ("nginx.jsonl", given("jsonl"), "2026-05-04 08:00:00.000", ["r1 GET /a 200 12"]),
    ("caddy.jsonl", given("caddy"), "2026-05-04 10:00:00.123", ["r1 GET /a 200 12"]),
    (
        "traefik.log",
        given("traefik", None, "--revision-from", r"router:-(r\d+)@"),
        "2026-05-04 10:00:00.000",
        ["r1 GET /a 200 12"],
    ),
    ("envoy.log", given("envoy", None, *R1), "2026-05-04 10:00:00.123", ["r1 GET /a 200 12"]),
    (
        "alb.log",
        given("alb", None, "--revision-from", r"target_group_arn:shop-(r\d+)/"),
        "2026-05-04 10:00:00.900",
        ["r1 GET /a 200 12"],
    ),
    (
        "apache-durations/T-and-D.log",
        given("combined", r"%h %l %u %t \"%r\" %>s %b %T %D", *R1),
        "2018-02-18 17:49:27.000",
        ["r1 GET /x 200 838.365"],
    ),
    (
        "apache-durations/tomcat-D.log",
        given("combined", XML, *R1),
        "2011-01-27 05:25:00.000",
        ["r1 GET /asyws/rest 200 1640 2"],
    ),
    (
        "apache-durations/tomcat-D.log",
        given("combined", XML.replace("&quot;", '"'), *R1, "--field", "duration=%D:ms"),
        "2011-01-27 05:25:00.000",
        ["r1 GET /asyws/rest 200 1640 2"],
    ),
    (
        "apache-own-time/strftime.log",
        given("combined", STRFTIME, *R1),
        "2021-01-26 21:00:06.929",
        ["r1 GET /api/modules 503 1019.284", "r1 POST /auth/nego 200 15.572"],
    ),
    (
        "apache-own-time/msec.log",
        given("combined", r"%h %{msec}t \"%r\" %>s %D", *R1),
        "2018-02-18 17:49:27.207",
        ["r1 GET /x 200 3.5"],
    ),
    *(
        (
            "caddy-json/caddy.jsonl",
            options,
            "2024-11-08 16:42:24.327",
            ["r1 POST /cart 308 24.323", "r2 GET / 200 1500"],
        )
        for options in (given("jsonl", None, *fields(**NAMES)), given("caddy"), given("auto"))
    ),
    (
        "haproxy-import-timezone/local-time.log",
        given("haproxy", None, *PER_SERVER),
        "2021-02-09 16:28:18.698",
        ["r1 GET /sites/a.jpg 206 227"],
    ),
    *(
        (
            "haproxy-own-format/tls-fields.log",
            given("haproxy", log_format, *PER_SERVER),
            "2020-01-21 20:51:50.065",
            ["r1 GET /path/x 200 7", "r1 GET /path/x 500 70"],
        )
        for log_format in (None, HTTPSLOG)
    ),
    (
        "haproxy-status-minus-one/aborts.log",
        given("haproxy", None, *PER_SERVER),
        "2021-02-09 17:28:24.000",
        [f"r1 GET /a {rest}" for rest in ("200 60122 3", "499 None", "502 None", "503 None", "504 None")],
    ),
    (
        "iso-fractions/iso.log",
        given("combined", '$time_iso8601 $remote_addr "$request" $status $request_time', *R1),
        "2020-04-27 16:00:41.000",
        ["r1 GET /a 200 150", "r1 GET /b 200 150", "r1 GET /c 200 150"],
    ),
    (
        "nginx-json/iso.jsonl",
        given(
            "jsonl", None, *R1, *fields(time="@timestamp", path="uri", status="http_status", duration="responsetime:s")
        ),
        "2020-04-27 16:00:41.000",
        ["r1 GET /{id}/app.js 200 850", "r1 GET /{id}/b 502 900"],
    ),
    (
        "nginx-json/time-local.jsonl",
        given("jsonl", None, *R1, *fields(time="time_local", path="uri", duration="upstream_response_time:s")),
        "2023-06-26 06:24:53.000",
        ["r1 POST /api/a 200 304"],
    ),
    (
        "nginx-json/msec.jsonl",
        given("jsonl", None, *fields(time="time", path="uri", duration="request_time:s", revision="rev")),
        "2023-01-07 09:53:57.244",
        ["r1 GET /search 307 250", "r1 POST /login 200 1500"],
    ),
    (
        "nginx-upstream-lists/request-time-first.log",
        given(
            "combined",
            f'{COMBINED}$request_length $request_time $upstream_response_time "$http_referer" "$http_user_agent"',
            *R1,
        ),
        "2019-01-21 07:59:54.000",
        ["r1 GET /{id}/websockets 502 2", "r1 POST /jmx 200 148 3", "r1 POST /jmx 499 500"],
    ),
    (
        "nginx-upstream-lists/upstream-time-only.log",
        given("combined", f'{COMBINED}"$http_referer" "$http_user_agent" urt="$upstream_response_time"', *R1),
        "2015-02-17 04:00:55.000",
        ["r1 GET /_status 200 2920 6"],
    ),
    (
        "request-target-absolute/haproxy-h2.log",
        given("haproxy", None, *PER_SERVER),
        "2021-02-09 17:28:22.677",
        ["r1 GET / 200 6", "r1 GET /cart/{id} 200 12 2"],
    ),
    (
        "request-target-absolute/combined.log",
        given("combined", None, *R1),
        "2016-06-05 13:26:54.000",
        ["r1 GET /cart/{id} 200 None 2"],
    ),
    (
        "more/cri.log",
        given("auto", None, *R1),
        "2026-11-24 10:00:00.000",
        ["r1 GET /cart 200 12", "r1 POST /pay 502 1200"],
    ),
    ("more/cri-json.log", given("caddy"), "2026-11-24 10:00:00.123", ["r1 GET /a 200 12"]),
    ("more/dockercaddy.log", given("auto"), "2026-11-24 10:00:00.123", ["r1 GET /a 200 12"]),
    ("more/journal.log", given("haproxy", None, *R1), "2026-11-24 10:00:00.633", ["r1 GET /a 200 9"]),
    (
        "more/iis.log",
        given("auto", None, *R1),
        "2026-11-24 10:00:00.000",
        ["r1 GET /a 200 5", "r1 GET /cart 200 12", "r1 POST /pay 502 1250"],
    ),
    (
        "more/cloudfront.log",
        given("iis", None, *R1),
        "2026-11-24 10:00:00.000",
        ["r1 GET /cart 200 12", "r1 GET /pay 502 1000"],
    ),
    (
        "more/uvicorn.log",
        given("uvicorn", None, *R1, "--timezone", "Europe/Vienna"),
        "2026-11-24 09:00:00.123",
        ["r1 GET /cart 200 None", "r1 POST /pay 502 None"],
    ),
    (
        "more/nginxjson.log",
        given("jsonl", JSON_FORMAT, "--revision-from", "rev"),
        "2026-11-24 10:00:00.000",
        ["r1 GET /cart 200 12", "r2 POST /pay 502 1250"],
    ),
    (
        "more/syslogjson.log",
        given("haproxy", None, *PER_SERVER),
        "2026-11-24 09:00:00.100",
        ["r41 GET /cart/{id} 499 25"],
    ),
    (
        "more/aiohttp.log",
        given("combined", '%a %t "%r" %s %b "%{Referer}i" "%{User-Agent}i" %Tf', *R1),
        "2026-11-24 10:00:00.000",
        ["r1 GET /a 200 12.345"],
    ),
    (
        "more/envoyjson.log",
        given("auto", None, "--revision-from", r"upstream_cluster:\|(r\d+)\|"),
        "2026-11-24 10:00:00.123",
        ["r1 GET /a 200 12"],
    ),
    (
        "more/traefikjson.log",
        given("traefik", None, "--revision-from", r"router:-(r\d+)@"),
        "2026-11-24 10:00:00.123",
        ["r41 GET /cart 200 12"],
    ),
    ("more/tomcatvalve.log", given("tomcat", VALVE, *R1), "2011-01-27 05:25:00.000", ["r1 GET /a 200 40"]),
]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run `pratique import` on a file of the cases with an empty store; return exit status, output and errors."""

    def done(file, *options):
        monkeypatch.chdir((LOGS / file).parent)
        with pytest.raises(SystemExit) as ended:
            main(["import", Path(file).name, "--service", "shop", "--store", str(tmp_path / "store"), *options])
        return ended.value.code, *capsys.readouterr()

    return done


def rows(folder):
    """The stored rows: revision, action, code, the sum of the durations in ms, and the number unless it is one."""
    store = open_store(str(folder / "store"))
    found = []
    for row in store.read("shop", [seen.revision for seen in store.revisions("shop")]).table.to_pylist():
        ms = f"{round(row['sum_ms'], 3):.10g}" if row["count"] else "None"
        found.append((row["revision"], row["action"], row["code"], ms, row["n"]))
    merged = {}
    for revision, action, code, ms, n in found:
        key = (revision, action, code)
        before_ms, before_n = merged.get(key, ("None", 0))
        total = (
            ms
            if before_ms == "None"
            else before_ms
            if ms == "None"
            else f"{round(float(before_ms) + float(ms), 3):.10g}"
        )
        merged[key] = (total, before_n + n)
    return sorted(
        f"{revision} {action} {code} {ms}" + (f" {n}" if n > 1 else "")
        for (revision, action, code), (ms, n) in merged.items()
    )


@pytest.mark.parametrize(("file", "options", "first", "expected"), CASES, ids=[f"{c[0]}-{c[1][1]}" for c in CASES])
@pytest.mark.slow
def test_requests_of_a_log_are_stored_as_they_were(run, tmp_path, file, options, first, expected):
    status, out, err = run(file, *options, "--rejects", str(tmp_path / "rejects"), "--preview")
    assert status == 0, err
    assert first in out
    assert not (tmp_path / "store").exists()
    status, out, err = run(file, *options, "--rejects", str(tmp_path / "rejects"))
    assert status == 0, err
    assert rows(tmp_path) == sorted(expected)
    number = sum(int((row.split()[5:] or [1])[0]) for row in expected)
    assert out.startswith(f"{number} request{'s' if number > 1 else ''} of ")


@pytest.mark.parametrize(
    ("file", "options", "parts"),
    [
        (
            "haproxy32-checks.log",
            given("haproxy", None, *PER_SERVER),
            ["4 lines without a request: Connection closed during SSL"],
        ),
        ("haproxy-nosrv.log", given("haproxy", None, "--revision-from", "server"), ["2 lines without a revision"]),
        (
            "apache-two-status.log",
            CASES[0][1],
            ["status from %>s", "duration from %D (microseconds)", "Tomcat before 10.1"],
        ),
        ("ingress.log", CASES[18][1], ["revision r2: 1 attempt failed at another server"]),
        ("traefik-clf.log", given("traefik", None, *R1), ["1 line rejected", "its status is not a status code (%>s)"]),
        ("caddy.jsonl", given("auto"), ["taken for caddy: it reads 1 of the first 1 lines"]),
        (
            "haproxy-own-format/tls-fields.log",
            given("haproxy", None, *R1),
            ["no zone and are taken as UTC: give --timezone"],
        ),
        ("zone.log", given("haproxy", None, *R1), ["taken as +02:00 by the header of the lines"]),
        ("more/journal.log", given("haproxy", None, *R1), ["header (+00:00) differ by whole quarters of an hour"]),
    ],
)
def test_summary_says_how_the_log_was_read(run, tmp_path, file, options, parts):
    _, out, err = run(file, *options, "--rejects", str(tmp_path / "rejects"))
    out += err
    assert [part for part in parts if part not in out] == [], out


def test_clocks_of_header_and_line_that_differ_are_reported(run, tmp_path):
    line = "Nov 24 11:00:01 lb haproxy[8]: 192.0.2.9:1 [24/Nov/2026:10:00:01.000] web bk/s_r1 0/0/1/8/9 200 1 - - ---- 1/1/0/0/0 0/0 "
    (tmp_path / "a.log").write_text(f'{line}"GET / HTTP/1.1"\n')
    _, _, err = run(tmp_path / "a.log", *given("haproxy", None, *R1), "--timezone", "UTC")
    assert "that of its header differ by -01:00" in err


@pytest.mark.parametrize(("took", "word"), [("0", "below 0.01 ms"), ("900000000000000", "reach nine days")])
def test_durations_in_a_wrong_unit_are_reported(run, tmp_path, took, word):
    line = f'192.0.2.7 [24/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 {took}\n'
    (tmp_path / "a.log").write_text(line * 3)
    _, _, err = run(tmp_path / "a.log", *given("combined", '%h %t "%r" %>s %D', *R1))
    assert "warning: " in err
    assert word in err
    assert "check the unit" in err


@pytest.mark.parametrize(
    ("line", "options", "parts"),
    [
        ({"at": 1}, given("jsonl", None, *R1), ["no field is known as the status", "it has at", "--field status=NAME"]),
        ({"status": 200}, given("jsonl", None, *R1), ["the path or request", "--field path=NAME"]),
        (
            {"status": 200, "path": "/", "took": 1, "time": 1795514400},
            given("jsonl", None, *R1, "--field", "duration=took"),
            ["unit of the duration 'took' is not known", "duration=took:s"],
        ),
        (
            {"status": 200, "path": "/", "time": 1795514400},
            given("jsonl", None, "--revision-from", "colour"),
            ["no line has a field 'colour'", "it has status, path, time"],
        ),
        (
            {"status": 200, "path": "/"},
            given("jsonl", None, *R1),
            ["no field is known as the time", "--field time=NAME"],
        ),
        (
            {"status": 200, "path": "/", "time": 1795514400},
            given("jsonl", None, *R1, "--field", "time=when"),
            ["no line has a field 'when'", "it has status, path, time"],
        ),
    ],
)
def test_refusal_of_a_json_log_names_the_field_and_the_option(run, tmp_path, line, options, parts):
    (tmp_path / "a.jsonl").write_text(json.dumps(line) + "\n")
    status, _, err = run(tmp_path / "a.jsonl", *options)
    assert status >= 64
    assert [part for part in parts if part not in err] == [], err


def test_refusal_of_a_text_log_names_the_directive_and_the_column(run, tmp_path):
    (tmp_path / "a.log").write_text('192.0.2.7 [24/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" OK\n')
    status, _, err = run(tmp_path / "a.log", *given("combined", '$remote_addr [$time_local] "$request" $status', *R1))
    assert status == 65
    assert "first line 1: does not match the format at '$status', column 57: 'OK'" in err


def test_auto_that_finds_nothing_says_what_to_give(run, tmp_path):
    (tmp_path / "a.log").write_text("some text\n")
    status, _, err = run(tmp_path / "a.log", "--revision", "r1")
    assert status == 65
    assert "no known format fits" in err
    assert "--log-format" in err


def test_format_and_revision_come_from_the_service_file(run, tmp_path):
    text = '[services.shop.imports]\nformat = "caddy"\nrevision_from = "request.host:^(.)"\n'
    (tmp_path / "pratique.toml").write_text(text)
    status, out, _ = run("caddy.jsonl", "--config", str(tmp_path / "pratique.toml"))
    assert (status, "revision s: 1" in out) == (0, True)
    assert load(tmp_path / "pratique.toml").service("shop").imports.format == "caddy"


FAILED = [
    ({"m": "GET", "p": "/a", "s": 502}, "it looks like a request"),
    ({"level": "error", "msg": "no connection to the database"}, "200 lines without a request beside 2,000 requests"),
]


@pytest.mark.parametrize(("failed", "reason"), FAILED)
@pytest.mark.slow
def test_failures_in_another_form_in_the_canarys_own_log_hold_a_promotion(
    tmp_path, monkeypatch, capsys, failed, reason
):
    monkeypatch.chdir(tmp_path)
    for revision in ("r1", "r2"):
        lines = [{"time": 1_795_514_400_000 + 100 * at, "status": 200, "path": f"/a?{revision}"} for at in range(2_000)]
        if revision == "r2":
            lines += [failed | {"time": 1_795_514_400_000 + 1_000 * at} for at in range(200)]
        Path("a.jsonl").write_text("\n".join(map(json.dumps, lines)))
        command("import", "a.jsonl", "--service", "shop", "--revision", revision, "--format", "jsonl", status=0)
    capsys.readouterr()
    command("compare", "shop", "r1", "r2", "--json", status=2)
    (found,) = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["kind"] == "lost lines"]
    assert found["effect"] == "hold"
    assert reason in found["message"]


def command(*words, status):
    with pytest.raises(SystemExit) as ended:
        main([*words])
    assert ended.value.code == status
