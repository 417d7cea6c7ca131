"""Log formats: regular expressions whose groups are fields, some made from a format string of the user.

The expressions use only syntax that Python and Rust share: the vectorised import (Rust) and the reasons for rejected
lines (Python) use the same expression.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pratique.errors import UsageError


@dataclass(frozen=True)
class Format:
    """The pattern of a line.

    pattern: regular expression of a line. fields: names of its groups, in order.
    quick: an expression with the same groups for lines without escapes and gaps, three times as fast. Lines that it
        does not match are read by `pattern`; on lines that it matches both agree.
    time: "clf" (10/Oct/2000:13:55:36 +0000), "haproxy" (…:36.123, UTC), "iso" or "epoch_s".
    units: milliseconds in one unit of each duration field.
    """

    pattern: str
    fields: tuple[str, ...]
    time: str
    quick: str
    units: dict[str, float] = field(default_factory=dict)


HAPROXY_LINE = (
    r"([^ ]+):[0-9]+ \[([^\]]+)\] ([^ ]+) ([^ /]+)/([^ ]+) (-?[0-9]+)/(-?[0-9]+)/(-?[0-9]+)/(-?[0-9]+)/(\+?-?[0-9]+) "
    r"(-?[0-9]{1,3}) \+?[0-9]+ [^ ]+ [^ ]+ ([^ ]{4}) [^ ]+ [^ ]+ (?:\{[^}]*\} )?(?:\{[^}]*\} )?"
    r'"(?:<BADREQ>|([^ ]+) ([^ "]*)[^"]*"?)'
)
"""A line of HAProxy's httplog from its first field on. The time to match grows linearly with the length."""

HAPROXY = Format(
    # an optional syslog header, RFC 3164 or 5424, in front of client, dates and names
    pattern=r"^(?:<[0-9]{1,3}>)?(?:.*?(?:haproxy|\]:|-) ?[^ ]* )?" + HAPROXY_LINE,
    fields=(
        "client",
        "time",
        "frontend",
        "backend",
        "server",
        "t_request",
        "t_queue",
        "t_connect",
        "t_response",
        "t_total",
        "status",
        "state",
        "method",
        "path",
    ),
    time="haproxy",
    quick=r"^[^\[]*? ([^ \[\]]+):[0-9]+ \[([^\]]+)\] ([^ ]+) ([^ /]+)/([^ ]+) (-?[0-9]+)/(-?[0-9]+)/(-?[0-9]+)/(-?[0-9]+)/(-?[0-9]+) "
    r'([0-9]{3}) [0-9]+ [^ ]+ [^ ]+ ([^ ]{4}) [^ ]+ [^ ]+ "([A-Z]+) ([^ "]*) [^"]*"$',
)
HAPROXY_TCP = re.compile(r"\[[^\]]+\] \S+ \S+ -?[0-9]+/-?[0-9]+/\+?[0-9]+ \+?[0-9]+ \S\S ")

# a request line of a broken client may have no method and path
_REQUEST = r'"(?:([A-Za-z]+) ((?:[^ "\\]|\\.)+)(?:[^"\\]|\\.)*|(?:[^"\\]|\\.)*)"'
_QUICK_REQUEST = r'"([A-Za-z]+) ([^ "\\]+) [^"\\]*"'
_QUOTED = r'"(?:[^"\\]|\\.)*"'

COMBINED = Format(
    pattern=rf"^([^ ]+) [^ ]+ [^ ]+ \[([^\]]+)\] {_REQUEST} ([0-9]{{3}}) (?:[0-9]+|-)(?: {_QUOTED} {_QUOTED})?"
    r"(?: ([0-9]+\.[0-9]+))?(?: .*)?\r?$",
    fields=("client", "time", "method", "path", "status", "request_time"),
    time="clf",
    quick=rf"^([^ ]+) [^ ]+ [^ ]+ \[([^\]]+)\] {_QUICK_REQUEST} ([0-9]{{3}}) (?:[0-9]+|-) "
    r'"[^"\\]*" "[^"\\]*"(?: ([0-9]+\.[0-9]+))?$',
    units={"request_time": 1000.0},
)

NGINX = {"remote_addr": "client", "time_local": "time", "time_iso8601": "time", "msec": "time", "status": "status"}
NGINX |= {"request_method": "method", "request_uri": "path", "uri": "path", "hostname": "host"}
APACHE = {"h": "client", "a": "client", "t": "time", "s": "status", "m": "method", "U": "path", "v": "host"}
TIMES = {"time_local": "clf", "time_iso8601": "iso", "msec": "epoch_s", "t": "clf"}
NGINX_DURATIONS = ("request_time", "upstream_response_time")
_NGINX_TOKEN = re.compile(r"\$\{?([a-z][a-z0-9_]*)\}?")
_APACHE_TOKEN = re.compile(r"%(?:[!0-9,]*)[<>]?(?:\{([^}]+)\})?\^?([A-Za-z]{1,2})")


def declared(log_format: str) -> Format:
    """Return the format that nginx's log_format or Apache's LogFormat declares.

    Fields keep their names (nginx's variable, Apache's name in braces) for use with --revision-from.
    Raises: UsageError when it has no time or no status.
    """
    text = log_format.strip().replace('\\"', '"')
    nginx = _NGINX_TOKEN.search(text) is not None
    token = _NGINX_TOKEN if nginx else _APACHE_TOKEN
    pieces: list[tuple[str, str]] = []
    names: list[str] = []
    units: dict[str, float] = {}
    time = ""
    at = 0
    for match in token.finditer(text):
        pieces.append((_literal(text[at : match.start()]),) * 2)
        at = match.end()
        around = text[match.start() - 1 : match.start()], text[at : at + 1]
        piece, found, unit, kind = _nginx(match, around) if nginx else _apache(match, around)
        pieces.append((piece, QUICK.get(piece, piece)))
        names += found
        time = kind or time
        if unit:
            units[found[0]] = unit
    pieces.append((_literal(text[at:]),) * 2)
    if not time or "status" not in names:
        missing = "the status ($status or %>s)" if time else "a time ($time_local or %t)"
        raise UsageError(
            f"log format {log_format[:120]!r} has no {missing}: copy it from the configuration of the server"
        )
    pattern, quick = ("".join(parts) for parts in zip(*pieces, strict=True))
    return Format(rf"^{pattern}\r?$", tuple(names), time, f"^{quick}$", units)


def _literal(text: str) -> str:
    # re.escape escapes blanks, which Rust refuses
    return re.escape(text).replace(r"\ ", " ")


QUOTED_FIELD = r'((?:[^"\\]|\\.)*)'
QUICK = {
    _REQUEST[1:-1]: _QUICK_REQUEST[1:-1],
    QUOTED_FIELD: r'([^"\\]*)',
}
"""The quick form of pieces of a pattern."""
Piece = tuple[str, list[str], float | None, str | None]


def _nginx(match: re.Match[str], around: tuple[str, str]) -> Piece:
    name = match[1]
    if name == "request":
        return _REQUEST[1:-1], ["method", "path"], None, None
    unit = 1000.0 if name in NGINX_DURATIONS else None
    return f"({_body(around)})", [NGINX.get(name, name)], unit, TIMES.get(name)


def _apache(match: re.Match[str], around: tuple[str, str]) -> Piece:
    braces, letter = match[1], match[2]
    if letter == "r":
        return _REQUEST[1:-1], ["method", "path"], None, None
    if letter == "t" and braces is None:
        return r"\[([^\]]+)\]", ["time"], None, "clf"
    if letter in {"D", "T"}:
        unit = {"ms": 1.0, "us": 0.001}.get(braces or "", 0.001 if letter == "D" else 1000.0)
        return f"({_body(around)})", ["request_time"], unit, None
    name = braces.lower() if braces else APACHE.get(letter, letter)
    return f"({_body(around)})", [name], None, None


def _body(around: tuple[str, str]) -> str:
    if around[0] == '"':
        return r'(?:[^"\\]|\\.)*'
    return r"[^\]]*" if around[1] == "]" else r"[^ ]*"


def why_not(fmt: str, line: str) -> str:
    """Return why a line does not match a format, as far as it can be determined."""
    if not line.strip():
        return "an empty line"
    if fmt == "haproxy" and HAPROXY_TCP.search(line):
        return "a TCP line: it has no status code"
    if fmt == "haproxy" and " [" not in line:
        return "not an access line: it has no accept date in brackets"
    return f"does not look like a {fmt} line"
