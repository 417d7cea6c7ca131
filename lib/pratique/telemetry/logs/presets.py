"""Formats by name: the layouts that each may have, the most specific first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pratique.config import FieldNames
from pratique.errors import UsageError
from pratique.telemetry.logs import envoy, haproxy, nginx, python_logging
from pratique.telemetry.logs.declared import declared
from pratique.telemetry.logs.events import check_pattern
from pratique.telemetry.logs.fields import OVERRIDE, UNITS, Field
from pratique.telemetry.logs.layouts import Layout, NamedLayout, TextLayout, W3CLayout
from pratique.telemetry.logs.named import Named
from pratique.telemetry.logs.template import PREFIX, QUICK_REQUEST, REQUEST, Piece, Template

_QUOTED = r'(?:"(?:[^"\\]|\\.)*"|-)'
_COMBINED_FIELDS = (
    Field("client", "the client's address"),
    Field("time", "[time]", "time", 3, "clf"),
    Field("method", "the request line", "method", 3),
    Field("path", "the request line", "path", 3),
    Field("status", "the number behind it", "status", 3),
    Field("request_time", "the decimal number behind the user agent", "duration", 3, "s"),
)
_BODY = rf'([^ ]+) [^ ]+ [^ ]+ \[([^\]]+)\] (?:"{REQUEST}"|-) (-?[0-9]{{1,3}}|-) (?:[0-9]+|-)'
COMBINED = Template(
    pattern=rf"^{PREFIX}{_BODY}(?: {_QUOTED} {_QUOTED})?(?: ([0-9]+\.[0-9]+(?: ?(?:ns|us|µs|ms|s)\b)?))?(?: .*)?\r?$",
    quick=rf'^([^ ]+) [^ ]+ [^ ]+ \[([^\]]+)\] "{QUICK_REQUEST}" ([0-9]{{3}}) (?:[0-9]+|-) '
    r'"[^"\\]*" "[^"\\]*"(?: ([0-9]+\.[0-9]+))?$',
    fields=_COMBINED_FIELDS,
    pieces=(
        Piece("client, two names, time in brackets", r"([^ ]+) [^ ]+ [^ ]+ \[([^\]]+)\] ", ""),
        Piece("request line in quotes", rf'(?:"{REQUEST}"|-)', ""),
        Piece("status and bytes", r" (-?[0-9]{1,3}|-) (?:[0-9]+|-)", ""),
        Piece("the end of the line", r"(?: .*)?\r?$", ""),
    ),
)

_TAIL = r'"%r" %>s %b "%{Referer}i" "%{User-Agent}i"'
_INGRESS = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
    "$request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr "
    "$upstream_response_length $upstream_response_time $upstream_status $req_id"
)
_ALB = (
    "$type $time $elb $client $target $request_processing_time $target_processing_time $response_processing_time "
    '$elb_status_code $target_status_code $received_bytes $sent_bytes "$request" "$user_agent" $ssl_cipher $ssl_protocol '
    '$target_group_arn "$trace_id" "$domain_name" "$chosen_cert_arn" $matched_rule_priority $request_creation_time'
)
_ALB_FIELDS = {
    "time": ("time", 2, "iso"),
    "request_creation_time": ("time", 3, "iso"),
    "request_processing_time": ("duration_part", 3, "s"),
    "target_processing_time": ("duration_part", 3, "s"),
    "response_processing_time": ("duration_part", 3, "s"),
    "elb_status_code": ("status", 3, ""),
    "target_status_code": ("status", 1, ""),
    "target": ("host", 2, ""),
}
_VHOST = f"%v:%p %h %l %u %t {_TAIL.replace('%b', '%O')}"
_TRAEFIK = f'%h - %u %t {_TAIL} %{{request_count}}x "%{{router}}x" "%{{url}}x" %{{ms}}Tms'
_UVICORN = '%(client_addr)s - "%(request_line)s" %(status_code)s'


def text(name: str, log_format: str, **options: object) -> TextLayout:
    """Return the layout of a format string."""
    found = declared(log_format)
    assert found.template is not None  # noqa: S101 - the format strings here are no JSON
    return TextLayout(name, found.template, **options)  # type: ignore[arg-type]


def _alb() -> TextLayout:
    layout = text("alb", _ALB.replace("$elb_status_code", "$status", 1))
    fields = []
    for field in layout.fields:
        name = "elb_status_code" if field.name == "status" else field.name
        meaning, rank, kind = _ALB_FIELDS.get(
            name, (field.meaning if field.meaning in {"method", "path"} else "", 3, "")
        )
        fields.append(
            replace(
                field,
                name=name,
                source=name if meaning not in {"method", "path"} else field.source,
                meaning=meaning,
                rank=rank,
                kind=kind,
            )
        )
    template = layout.template
    pattern = template.pattern.removesuffix(r"[ \t]*\r?$") + r"(?: .*)?\r?$"
    return TextLayout(
        "alb",
        replace(template, pattern=pattern, quick=template.quick.removesuffix("$") + "(?: .*)?$", fields=tuple(fields)),
    )


def _named(name: str, kind: str, candidates: str, requires: tuple[str, ...] = ()) -> NamedLayout:
    """candidates: a line for each meaning: meaning[:unit or form] names, the best first."""
    fields = []
    for line in candidates.strip().splitlines():
        head, *names = line.split()
        meaning, _, form = head.partition(":")
        fields += [_field(one, meaning, form, rank) for rank, one in zip(range(8, 0, -1), names, strict=False)]
    return NamedLayout(name, Named(kind), tuple(fields), requires)


def _field(name: str, meaning: str, form: str, rank: int) -> Field:
    name, _, alias = name.partition("=")
    return Field(
        name, name, meaning, rank, form, aliases=(alias,) if alias else (), upstreams=name in nginx.UPSTREAM_LISTS
    )


_CADDY = """
time ts
method request.method
request request_line
path request.uri
status status
duration:s duration
host request.host
revision resp_headers.X-Revision
"""
_TRAEFIK_JSON = """
time StartUTC StartLocal time
method RequestMethod
path RequestPath
status DownstreamStatus OriginStatus
duration:ns Duration
host ServiceAddr
plain RouterName=router ServiceName=upstream
"""
_ENVOY_JSON = """
time start_time
method method
path x-envoy-original-path path
status response_code
duration:ms duration
host upstream_host
attempts upstream_request_attempt_count
plain upstream_cluster
"""
_HEROKU = """
method method
path path
status status
duration:ms service
host dyno
"""
_GENERIC = """
time time @timestamp timestamp ts datetime time_iso8601 msec time_local
status status status_code http_status response_code code
path path request_uri uri url request_path
request request request_line http_request
method method request_method http_method verb
duration:ms duration_ms request_time_ms elapsed_ms latency_ms
revision revision rev upstream_http_x_revision
host host
service service
action action
"""
"""Names whose meaning is the same wherever they stand; a duration's only where its name or its program tells the unit."""
_NGINX_DURATIONS = "duration:s request_time upstream_response_time\n"


def _generic(name: str, kind: str) -> NamedLayout:
    layout = _named(name, kind, _GENERIC + _NGINX_DURATIONS)
    more = tuple(Field(one, one, upstreams=True) for one in ("upstream_status", "upstream_addr"))
    return replace(layout, candidates=(*layout.candidates, *more))


_COUNTS = """
time window
n n
duration_sum:ms sum_ms duration_sum_ms
bucket bucket
count count
"""


def table_layout() -> NamedLayout:
    """Return the layout of a table: the same names as in JSON, and those of counts."""
    return _named("table", "json", _GENERIC + _NGINX_DURATIONS + _COUNTS.lstrip())


def _haproxy_json() -> NamedLayout:
    return NamedLayout(
        "haproxy-json", Named("json"), tuple(haproxy.json_fields(haproxy.JSON)), ("termination_state_cookie",)
    )


_TCP = (
    (haproxy.TCPLOG, "a TCP line: it has no status code"),
    (re.compile(r"^[^\[]*$"), "not an access line: it has no accept date in brackets"),
)
HTTPLOG = TextLayout("haproxy", haproxy.HTTPLOG, haproxy.own_message, _TCP)


@dataclass(frozen=True)
class Preset:
    """A format by name. layouts: the ones it may have. about: for a person."""

    about: str
    layouts: tuple[Layout, ...]


def _presets() -> dict[str, Preset]:
    clf = replace(text("haproxy-clf", haproxy.CLF), kinds=haproxy.own_message)
    caddy = _named("caddy", "json", _CADDY, ("request.method", "status"))
    traefik_json = _named("traefik-json", "json", _TRAEFIK_JSON, ("RequestMethod",))
    traefik_clf = text("traefik-clf", _TRAEFIK)
    envoy_json = _named("envoy-json", "json", _ENVOY_JSON, ("response_code",))
    envoy_text, istio = text("envoy", envoy.DEFAULT), text("istio", envoy.ISTIO)
    heroku = _named("heroku", "logfmt", _HEROKU, ("dyno", "status"))
    nginx_json = _generic("nginx-json", "json")
    combined = TextLayout("combined", COMBINED)
    return {
        "combined": Preset("nginx and Apache: combined, with or without $request_time behind it", (combined,)),
        "vhost_combined": Preset(
            "Apache: vhost_combined, with or without %D",
            (text("vhost_combined", f"{_VHOST} %D"), text("vhost_combined", _VHOST)),
        ),
        "nginx-json": Preset("nginx: JSON with nginx's names of variables", (nginx_json,)),
        "ingress-nginx": Preset("ingress-nginx: its default", (text("ingress-nginx", _INGRESS),)),
        "haproxy": Preset("HAProxy: option httplog, with or without clf, or JSON", (HTTPLOG, clf, _haproxy_json())),
        "haproxy-clf": Preset("HAProxy: option httplog clf", (clf,)),
        "haproxy-json": Preset("HAProxy: %{+json}o with the names of its manual", (_haproxy_json(),)),
        "caddy": Preset("Caddy: JSON", (caddy,)),
        "traefik": Preset("Traefik: JSON or CLF", (traefik_json, traefik_clf)),
        "traefik-clf": Preset("Traefik: CLF", (traefik_clf,)),
        "envoy": Preset("Envoy: the default text format, Istio's, or JSON", (istio, envoy_text, envoy_json)),
        "envoy-json": Preset("Envoy and Istio: JSON with the names of their manuals", (envoy_json,)),
        "istio": Preset("Istio: text", (istio, envoy_json)),
        "alb": Preset("AWS Application Load Balancer", (_alb(),)),
        "tomcat": Preset("Tomcat: combined with %D in milliseconds", _tomcat()),
        "gunicorn": Preset("gunicorn: its default, with or without %(L)s or %(D)s behind it", _gunicorn()),
        "uvicorn": Preset(
            "uvicorn: a line with a time in front", (text("uvicorn", _UVICORN, kinds=python_logging.own_message),)
        ),
        "iis": Preset("IIS and other W3C extended logs, such as CloudFront's", (W3CLayout(),)),
        "heroku": Preset("Heroku's router", (heroku,)),
        "logfmt": Preset("key=value pairs; name the fields with --field", (heroku, _generic("logfmt", "logfmt"))),
        "jsonl": Preset("a JSON object per line; name the fields with --field", (_generic("jsonl", "json"),)),
    }


def _tomcat() -> tuple[Layout, ...]:
    common = "%h %l %u %t &quot;%r&quot; %s %b"
    combined = f"{common} &quot;%{{Referer}}i&quot; &quot;%{{User-Agent}}i&quot;"
    return tuple(text("tomcat", f"{base}{tail}") for tail in (" %D %T", " %D", "") for base in (combined, common))


def _gunicorn() -> tuple[Layout, ...]:
    base = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
    return tuple(
        text("gunicorn", f"{base}{tail}", kinds=python_logging.own_message) for tail in (" %(L)s", " %(D)s", "")
    )


PRESETS = _presets()
AUTO = (
    *("caddy", "traefik", "haproxy", "envoy", "alb", "ingress-nginx", "heroku", "iis"),
    *("vhost_combined", "combined", "uvicorn", "jsonl", "logfmt"),
)
"""The order in which --format auto tries: of two that read as many lines, the first one is taken."""


_ALIASES = {"code": "status", "url": "path", "uri": "path", "duration_ms": "duration"}
NAMEABLE = ("time", "status", "method", "path", "request", "duration", "host", "revision", "service", "action", "state")
ONLY_TABLES = ("n", "duration_sum", "bucket", "count")
OF_TABLES = (*NAMEABLE, *ONLY_TABLES)
"""Meanings that --field names: NAMEABLE everywhere, those of rows of counts in tables only."""


def configured(names: FieldNames) -> tuple[Field, ...]:
    """Return the fields that the service file names, for lines of named values."""
    texts = {key: getattr(names, key) for key in names.model_fields_set}
    return tuple(_override(meaning, name) for meaning, name in texts.items() if name)


def given(options: Iterable[str], meanings: Sequence[str] = NAMEABLE) -> tuple[Field, ...]:
    """Return the fields that --field MEANING=NAME[:UNIT] or MEANING=NAME:REGEX names.

    Raises: UsageError for a meaning that is none of these, or an expression without a group.
    """
    return tuple(_override(*_split(option, meanings)) for option in options)


def _split(given: str, meanings: Sequence[str]) -> tuple[str, str]:
    meaning, found, name = given.partition("=")
    if not found or _ALIASES.get(meaning, meaning) not in meanings:
        raise UsageError(
            f"--field {given!r} is not MEANING=NAME: use {', '.join(meanings)}, as in --field duration=took:s"
        )
    return meaning, name


_TIME_FORMS = {"s": "epoch_s", "ms": "epoch_ms", "us": "epoch_us", "ns": "epoch_ns", "iso": "iso", "clf": "clf"}
_TIME_FORMS |= {"haproxy": "haproxy"}


def _override(meaning: str, given: str) -> Field:
    known = _ALIASES.get(meaning, meaning)
    name, _, form = given.rpartition(":")
    if known in {"duration", "duration_sum"}:
        return replace(_duration(given, "ms" if meaning == "duration_ms" else "?"), meaning=known)
    if known == "time":
        pattern = re.match(r"(.+?):(%.+)$", given)
        if pattern is not None:
            return Field(pattern[1], pattern[1], known, OVERRIDE, f"strftime:{pattern[2]}")
        if form in _TIME_FORMS and name:
            return Field(name, name, known, OVERRIDE, _TIME_FORMS[form])
        return Field(given, given, known, OVERRIDE, "auto")
    before, _, part = given.partition(":")
    if "(" in part:
        check_pattern(part, "--field")
        return Field(before, before, known, OVERRIDE, upstreams=before in nginx.UPSTREAM_LISTS, pattern=part)
    return Field(given, given, known, OVERRIDE, upstreams=given in nginx.UPSTREAM_LISTS)


def _duration(given: str, default: str) -> Field:
    name, _, unit = given.rpartition(":")
    if unit in UNITS and name:
        return Field(name, name, "duration", OVERRIDE, unit, upstreams=name in nginx.UPSTREAM_LISTS)
    return Field(given, given, "duration", OVERRIDE, default, upstreams=given in nginx.UPSTREAM_LISTS)
