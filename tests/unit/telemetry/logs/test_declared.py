"""Format strings: a request written in any order of directives is read back as it was."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.config import FieldNames
from pratique.errors import UsageError
from pratique.telemetry.line_parsers import Parser
from pratique.telemetry.logs.declared import declared

WORD = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
AGENT = st.text(st.characters(codec="ascii", exclude_characters='"\\', min_codepoint=32), max_size=20)


@st.composite
def requests(draw):
    """A request: its values as a server knows them."""
    zone = timezone(timedelta(minutes=draw(st.sampled_from([-210, 0, 60, 330]))))
    micros = draw(st.integers(0, 90_000_000))
    return {
        "time": datetime(2026, 3, 1, tzinfo=UTC).astimezone(zone)
        + timedelta(milliseconds=draw(st.integers(0, 10**10))),
        "method": draw(st.sampled_from(["GET", "POST", "DELETE"])),
        "path": "/" + draw(WORD) + "/" + draw(WORD),
        "query": draw(st.sampled_from(["", "?a=1", "?b=/x?y"])),
        "code": draw(st.sampled_from([200, 304, 404, 499, 500, 503])),
        "ms": micros // 1000,
        "us": micros // 1000 * 1000,
        "agent": draw(AGENT),
        "rev": draw(WORD),
    }


def clf(time):
    return time.strftime("%d/%b/%Y:%H:%M:%S %z")


def haproxy_date(time):
    return time.astimezone(UTC).strftime("%d/%b/%Y:%H:%M:%S.") + f"{time.microsecond // 1000:03d}"


NGINX = {
    "[$time_local]": lambda r: f"[{clf(r['time'])}]",
    '"$request"': lambda r: f'"{r["method"]} {r["path"]}{r["query"]} HTTP/1.1"',
    "$status": lambda r: str(r["code"]),
    "rt=$request_time": lambda r: f"rt={r['ms'] / 1000:.3f}",
    "rev=$revision": lambda r: f"rev={r['rev']}",
    "$remote_addr": lambda r: "2001:db8::1",
    "$uri": lambda r: "/index.php",
    '"$http_user_agent"': lambda r: f'"{r["agent"]}"',
    "$upstream_addr": lambda r: "10.0.0.1:80, 10.0.0.2:80 : 10.0.0.3:80",
    "$upstream_response_time": lambda r: "0.100, 9.900",
    '"$upstream_status"': lambda r: '"502, 200"',
}
APACHE = {
    "%t": lambda r: f"[{clf(r['time'])}]",
    r"\"%r\"": lambda r: f'"{r["method"]} {r["path"]}{r["query"]} HTTP/2"',
    "%>s": lambda r: str(r["code"]),
    "%{us}Tus": lambda r: f"{r['us']}us",
    "%{X-Revision}o;": lambda r: f"{r['rev']};",
    "%s": lambda r: "200",
    "%T": lambda r: str(r["ms"] // 1000),
    "%h": lambda r: "192.0.2.7",
    r"\"%{User-Agent}i\"": lambda r: f'"{r["agent"]}"',
    "%b": lambda r: "-",
}
GUNICORN = {
    "%(t)s": lambda r: f"[{clf(r['time'])}]",
    '"%(r)s"': lambda r: f'"{r["method"]} {r["path"]}{r["query"]} HTTP/1.1"',
    "%(s)s": lambda r: str(r["code"]),
    "%(M)s": lambda r: str(r["ms"]),
    "%({x-revision}o)s": lambda r: r["rev"],
    "%(T)s": lambda r: str(r["ms"] // 1000),
    '"%(a)s"': lambda r: f'"{r["agent"]}"',
}
HAPROXY = {
    "[%tr]": lambda r: f"[{haproxy_date(r['time'])}]",
    "%{+Q}r": lambda r: f'"{r["method"]} https://h{r["path"]}{r["query"]} HTTP/2.0"',
    "%ST": lambda r: str(r["code"]),
    "%TR/%Tw/%Tc/%Tr/%Ta": lambda r: f"7/0/1/{r['ms']}/{r['ms'] + 7}",
    "%b/%s": lambda r: f"bk/{r['rev']}",
    "%ci:%cp": lambda r: "2001:db8::1:55532",
    "%tsc": lambda r: "----",
    "%hr": lambda r: "{shop|curl}",
    "%sslv": lambda r: "TLSv1.3",
}
ENVOY = {
    "[%START_TIME%]": lambda r: (
        f"[{r['time'].astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%S.')}{r['time'].microsecond // 1000:03d}Z]"
    ),
    '"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%"': lambda r: (
        f'"{r["method"]} {r["path"]}{r["query"]} HTTP/2"'
    ),
    "%RESPONSE_CODE%": lambda r: str(r["code"]),
    "%DURATION%": lambda r: str(r["ms"]),
    "%UPSTREAM_CLUSTER%": lambda r: r["rev"],
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%": lambda r: "1",
    '"%REQ(USER-AGENT)%"': lambda r: f'"{r["agent"]}"',
}
DIALECTS = [
    (NGINX, 5, "revision", 1000),
    (APACHE, 5, "x-revision", 1000),
    (GUNICORN, 5, "x-revision", 1000),
    (HAPROXY, 5, "server", 1),
    (ENVOY, 5, "upstream_cluster", 1),
]


def parsed(line, log_format, **options):
    parser = Parser(
        "auto",
        service="shop",
        fields=FieldNames(),
        ignore_paths=(),
        default_host="local",
        **{"revision": None, "revision_from": None, "log_format": log_format, "timezone": "UTC", **options},
    )
    found = parser.parse(line.encode(), 1)
    assert found.rejects == [], log_format
    return found.events.row(0, named=True)


@pytest.mark.parametrize("dialect", DIALECTS, ids=["nginx", "apache", "gunicorn", "haproxy", "envoy"])
@settings(max_examples=40, deadline=None)
@given(request=requests(), data=st.data())
@pytest.mark.slow
def test_a_request_is_read_back_from_any_order_of_directives(dialect, request, data):
    directives, needed, revision, step = dialect
    names = list(directives)
    more = data.draw(st.lists(st.sampled_from(names[needed:]), unique=True))
    order = data.draw(st.permutations([*names[:needed], *more]))
    line = " ".join(directives[name](request) for name in order)
    prefix = data.draw(st.sampled_from(["", "<134>Nov 24 10:00:00 web1 app[8]: ", "web-1  | "]))
    event = parsed(prefix + line, " ".join(order), revision_from=revision)
    began = round(request["time"].timestamp() * 1000)
    assert event["time_ms"] == began // step * step
    assert (event["method"], event["path"], event["code"]) == (request["method"], request["path"], request["code"])
    assert event["duration_ms"] == pytest.approx(request["ms"])
    assert event["revision"] == request["rev"]


@pytest.mark.parametrize(
    "text",
    [
        "log_format main '$remote_addr [$time_local] ' '\"$request\" $status';",
        'log_format main escape=default "$remote_addr [$time_local] " "\\"$request\\" $status";',
        '$remote_addr [$time_local] "$request" $status',
        '${remote_addr} [${time_local}] "${request}" ${status}',
        "'$remote_addr [$time_local] \"$request\" $status'",
        'LogFormat "%h %t \\"%r\\" %>s" short',
        '"%h %t \\"%r\\" %>s"',
        "%h %t &quot;%r&quot; %&gt;s",
        '<Valve pattern="%h %t &quot;%r&quot; %s" />',
        'CustomLog /var/log/a.log "%h %t \\"%r\\" %>s"',
        "access_log_format = '%(h)s %(t)s \"%(r)s\" %(s)s'",
        "log-format %ci\\ [%Tl]\\ %{+Q}r\\ %ST",
        'log-format "%ci [%Tl] %{+Q}r %ST"',
        (
            '%DOWNSTREAM_REMOTE_ADDRESS% [%START_TIME(%d/%b/%Y:%H:%M:%S %z)%] "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%" '
            "%RESPONSE_CODE%\\n"
        ),
    ],
)
def test_a_directive_may_be_pasted_as_the_configuration_writes_it(text):
    line = '192.0.2.7 [24/Nov/2026:10:00:00 +0000] "GET /cart?x HTTP/1.1" 200'
    event = parsed(line, text, revision="r1")
    assert (event["method"], event["path"], event["code"], event["time_ms"]) == ("GET", "/cart", 200, 1795514400000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no directive at all", "has no directive"),
        ("$time_local $request", "has no status"),
        ("%{%Q}t %>s", "%Q, which is not known"),
    ],
)
def test_a_format_string_that_cannot_be_read_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        declared(text)


@pytest.mark.parametrize(
    ("log_format", "line", "time_ms"),
    [
        ("%{%Y-%m-%dT%H:%M:%S}t.%{msec_frac}t %>s", "2026-11-24T10:00:00.123 200", 1795514400123),
        ("%{%d/%b/%Y %I:%M:%S %p}t %{%z}t %>s", "24/Nov/2026 11:00:00 AM +0100 200", 1795514400000),
        ("%{begin:usec}t %{end:%Y}t %>s", "1795514400123456 2026 200", 1795514400123),
        ("%{sec}t %{msec_frac}t %>s", "1795514400 123 200", 1795514400000),
        ("%{yyyy-MM-dd HH:mm:ss.SSS Z}t %s", "2026-11-24 10:00:00.123 +0000 200", 1795514400123),
        ("%START_TIME(%Y/%m/%dT%H:%M:%S.%3f%z)% %RESPONSE_CODE%", "2026/11/24T10:00:00.123+0000 200", 1795514400123),
        ("%START_TIME(%s.%3f)% %RESPONSE_CODE%", "1795514400.123 200", 1795514400123),
        ("%Ts %ms %ST", "1795514400 123 200", 1795514400000),
        ("[%trg] %ms %ST", "[24/Nov/2026:10:00:00 +0000] 123 200", 1795514400123),
    ],
)
def test_times_in_a_form_of_the_server_are_read(log_format, line, time_ms):
    request = " %REQ(:METHOD)% %REQ(:PATH)%" if "RESPONSE" in log_format else " %r"
    assert parsed(f"{line} GET /", log_format + request, revision="r1")["time_ms"] == time_ms
