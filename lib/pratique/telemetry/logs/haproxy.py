"""HAProxy's log formats: option httplog, option httplog clf, and log-format strings, in text and in JSON.

Source: HAProxy 3.0 Configuration Manual, sections 8.2.3 (HTTP log format), 8.2.6 (custom log format), 8.4 (timing events),
8.5 (termination states).
"""

from __future__ import annotations

import re
from dataclasses import replace

from pratique.telemetry.logs.fields import Field
from pratique.telemetry.logs.template import Piece, Template, Value

ALIAS = re.compile(r"%(?:\(([^)]*)\))?(?:\{([^}]*)\})?(?:\[((?:[^\[\]]|\[[^\]]*\])*)\]|([A-Za-z]+|%))")
LINE = (
    r"([^ ]+):[0-9]+ \[([^\]]+)\] ([^ ]+) ([^ /]+)/([^ ]+) (-?[0-9]+)/(-?[0-9]+)/(-?[0-9]+)/(-?[0-9]+)/(\+?-?[0-9]+) "
    r"(-?[0-9]{1,3}) \+?[0-9]+ [^ ]+ [^ ]+ ([^ ]{4}) [^ ]+/(\+?[0-9]+) [^ ]+ (?:\{[^}]*\} )?(?:\{[^}]*\} )?(?:[^ \"]+ ){0,8}"
    r'"(?:<BADREQ>|([^ ]+) ([^ "]*)[^"]*"?)'
)
"""A line of HAProxy's httplog from its first field on. The time to match grows linearly with the length."""
CLF = (
    '%{+Q}o %{-Q}ci - - [%trg] %r %ST %B "" "" %cp %ms %ft %b %s %TR %Tw %Tc %Tr %Ta %tsc %ac %fc %bc %sc %rc %sq %bq '
    "%CC %CS %hrl %hsl"
)
_QUICK = (
    r"^(?:[^\[]*? )?([^ \[\]]+):[0-9]+ \[([^\]]+)\] ([^ ]+) ([^ /]+)/([^ ]+) "
    r"(-?[0-9]+)/(-?[0-9]+)/(-?[0-9]+)/(-?[0-9]+)/(-?[0-9]+) ([0-9]{3}) [0-9]+ [^ ]+ [^ ]+ ([^ ]{4}) "
    r'[^ ]+/([0-9]+) [^ ]+ "([A-Z]+) ([^ "]*) [^"]*"$'
)

_TIMERS: dict[str, Field] = {
    "TR": Field("t_request", "%TR", "t_request", 3, "ms"),
    "Tq": Field("t_request", "%Tq", "t_request", 2, "ms"),
    "Tr": Field("t_response", "%Tr", "t_response", 3, "ms"),
    "Ta": Field("t_total", "%Ta", "t_total", 3, "ms"),
    "Tt": Field("t_total", "%Tt", "t_total", 2, "ms"),
    "Tu": Field("t_user", "%Tu", "t_total", 1, "ms"),
}
_FIELDS: dict[str, Field] = _TIMERS | {
    "t": Field("time", "%t", "time", 3, "haproxy"),
    "tr": Field("time", "%tr", "time", 4, "haproxy"),
    "T": Field("time", "%T", "time", 2, "clf"),
    "trg": Field("time", "%trg", "time", 3, "clf"),
    "Tl": Field("time", "%Tl", "time", 2, "clf"),
    "trl": Field("time", "%trl", "time", 3, "clf"),
    "Ts": Field("time", "%Ts", "time", 1, "epoch_s"),
    "ms": Field("time_fraction", "%ms", "time_fraction", 3, "ms"),
    "ST": Field("status", "%ST", "status", 3),
    "ts": Field("state", "%ts", "state", 2),
    "tsc": Field("state", "%tsc", "state", 3),
    "HM": Field("method", "%HM", "method", 2),
    "HU": Field("path", "%HU", "path", 2),
    "HP": Field("path", "%HP", "path", 2),
    "HPO": Field("path", "%HPO", "path", 1),
    "s": Field("server", "%s", "host", 3),
    "si": Field("server_ip", "%si", "host", 1),
    "b": Field("backend", "%b"),
    "f": Field("frontend", "%f"),
    "ft": Field("frontend", "%ft"),
    "ci": Field("client", "%ci"),
    "rc": Field("retries", "%rc", "retries", 3),
}
_SAMPLES: tuple[tuple[str, Field], ...] = (
    (r"status|txn\.status", Field("status", "", "status", 2)),
    (r"method|capture\.req\.method", Field("method", "", "method", 2)),
    (r"capture\.req\.uri|url|baseq?|pathq", Field("path", "", "path", 2)),
    (r"path", Field("path", "", "path", 1)),
    (r"srv_name", Field("server", "", "host", 2)),
    (r"be_name", Field("backend", "")),
    (r"fe_name", Field("frontend", "")),
    (r"(?:accept|request)_date\(ms\)", Field("time", "", "time", 4, "epoch_ms")),
    (r"(?:accept|request)_date\(us\)", Field("time", "", "time", 4, "epoch_us")),
    (r"(?:accept|request)_date", Field("time", "", "time", 2, "epoch_s")),
    (r"txn\.timer\.total|fc\.timer\.total", Field("t_total", "", "t_total", 2, "ms")),
)
_BODIES = {
    **dict.fromkeys(
        (*_TIMERS, "Th", "Ti", "Tw", "Tc", "Td", "B", "U", "rc", "Ts", "ms", "cp", "bp", "sp", "fp"), r"(\+?-?[0-9]+)"
    ),
    **dict.fromkeys(("ac", "fc", "bc", "sc", "sq", "bq", "pid", "lc"), r"(\+?-?[0-9]+)"),
    **dict.fromkeys(("ci", "bi", "si", "fi"), r"([^ \"]+)"),
    **dict.fromkeys(("T", "trg", "Tl", "trl"), r"([^ ]+ [+-][0-9]{4})"),
    "ST": r"(-?[0-9]{1,3})",
    "hr": r"(\{[^}]*\})",
    "hs": r"(\{[^}]*\})",
}
_QUOTED_BY_Q = frozenset(
    {"b", "f", "ft", "s", "r", "ts", "tsc", "CC", "CS", "hrl", "hsl", "HM", "HP", "HPO", "HQ", "HU", "HV", "ID", "sslc"}
    | {"sslv", "ci", "si", "bi", "fi", "H"}
)
"""Aliases that %{+Q}o puts in quotes: the texts."""
JSON = (
    "%{+json}o %(client_ip)ci %(client_port)cp %(request_date)tr %(fe_name_transport)ft %(be_name)b %(server_name)s "
    "%(time_request)TR %(time_wait)Tw %(time_connect)Tc %(time_response)Tr %(time_active)Ta %(status_code)ST "
    "%(bytes_read)B %(termination_state_cookie)tsc %(retries)rc %(http_request)r"
)
"""The example of HAProxy's manual."""


def tokens(text: str) -> list[str | Value]:
    """Return the literals and values of a log-format string."""
    found: list[str | Value] = []
    at, quotes = 0, False
    for match in ALIAS.finditer(text):
        _, flags, sample, alias = match.groups()
        found.append(text[at : match.start()])
        at = match.end()
        on, off = "+Q" in (flags or ""), "-Q" in (flags or "")
        if alias == "%":
            found.append("%")
        elif alias == "o" and sample is None:
            quotes = on or (quotes and not off)
            at += text[at : at + 1] == " "
        else:
            quoted = on or (quotes and not off and (sample is not None or alias in _QUOTED_BY_Q))
            found.append(_value(match[0], sample, alias, quoted=quoted))
    return [*found, text[at:]]


def json_fields(text: str) -> list[Field]:
    """Return the fields of a log-format string with %{+json}o: the names in parentheses are the keys."""
    found = []
    for match in ALIAS.finditer(text):
        name, _, sample, alias = match.groups()
        if name:
            request = alias == "r" and sample is None
            field = Field(name, match[0], "request", 3) if request else _field(match[0], sample, alias)
            found.append(replace(field, name=name, source=name, aliases=(field.name,)))
    return found


def _value(source: str, sample: str | None, alias: str, *, quoted: bool) -> Value:
    if alias == "r" and sample is None:
        request = (Field("method", source, "method", 3), Field("path", source, "path", 3))
        return Value(source, request, quoted=quoted, is_request=True)
    body = _BODIES.get(alias or "", "")
    text = sample is not None or alias in {"CC", "CS", "hrl", "hsl"}
    optional = alias in {"hr", "hs"} and sample is None
    return Value(source, (_field(source, sample, alias),), body, text=text, optional=optional, quoted=quoted)


def _field(source: str, sample: str | None, alias: str | None) -> Field:
    if sample is None:
        return replace(_FIELDS.get(alias or "", Field(alias or source, source)), source=source)
    expression = sample.split(",")[0].strip()
    for pattern, field in _SAMPLES:
        if re.fullmatch(pattern, expression):
            return replace(field, source=source)
    header = re.fullmatch(r"(?:capture\.)?(?:req|res)\.(?:f?hdr|hdr)\(([^)]*)\)", expression)
    variable = re.fullmatch(r"var\((?:[a-z]+\.)?([^)]*)\)", expression)
    named = header or variable
    return Field(named[1].lower() if named else expression, source, aliases=(expression,))


def _httplog() -> Template:
    names = ("ci", "tr", "ft", "b", "s", "TR", "Tw", "Tc", "Tr", "Ta", "ST", "tsc", "rc")
    fields = [_field(f"%{name}", None, name) for name in names]
    request = [Field("method", "%{+Q}r", "method", 3), Field("path", "%{+Q}r", "path", 3)]
    # an optional syslog header, RFC 3164 or 5424, in front of client, dates and names
    pattern = r"^(?:<[0-9]{1,3}>)?(?:.*?(?:haproxy|\]:|-) ?[^ ]* )?" + LINE
    return Template(pattern, _QUICK, (*fields, *request), (Piece("the fields of option httplog", LINE, LINE),))


HTTPLOG = _httplog()
TCPLOG = re.compile(r"\[[^\[\]]+\] \S+ \S+ -?[0-9]+/-?[0-9]+/\+?[0-9]+ \+?[0-9]+ \S\S ")

_OWN = (
    (re.compile(r"\[[^\[\]]+\] [^ /]+/[^ :]+: ([A-Za-z][A-Za-z /-]{2,60})"), r"{0}"),
    (re.compile(r"(?:^|: |\] )Server [^ /]+/[^ ]+ is (UP|DOWN|going [A-Z]+|stopping)"), "Server … is {0}"),
    (
        re.compile(r"(?:^|: |\] )Health check for (?:backup )?server [^ ]+ (succeeded|failed)"),
        "Health check for server … {0}",
    ),
    (
        re.compile(
            r"(?:^|: |\] )(?:Proxy|Frontend|Backend|backend|proxy) [^ ]+ (started|stopped|has no server available)"
        ),
        "Proxy … {0}",
    ),
    (
        re.compile(
            r"(?:^|: |\] )(Stopping|Pausing|Resuming|Starting|Enabling|Disabling) (?:proxy|frontend|backend|server)"
        ),
        "{0} …",
    ),
    (
        re.compile(
            r"(?:^|: |\] )(New worker|Loading success|Reloading HAProxy|Exiting Master process|haproxy version)"
        ),
        "{0}",
    ),
    (re.compile(r"(?:^|: |\] )Connect from [^ ]+ to "), "Connect from …"),
)


def own_message(line: str) -> str | None:
    """Return the kind of a message of HAProxy about itself, a connection without a request, or a server; else None."""
    for pattern, kind in _OWN:
        found = pattern.search(line)
        if found is not None:
            return kind.format(*(part.strip() for part in found.groups()))
    return None
