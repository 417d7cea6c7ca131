"""Format strings of Python's servers: gunicorn's access_log_format, and the names of uvicorn's log records.

Source: gunicorn's settings, access_log_format; uvicorn's logging configuration.
"""

from __future__ import annotations

import re
from dataclasses import replace

from pratique.telemetry.logs import apache
from pratique.telemetry.logs.fields import Field
from pratique.telemetry.logs.nginx import ADDRESS
from pratique.telemetry.logs.template import Value

DIRECTIVE = re.compile(r"%\((?:\{([^}]+)\}([ioe])|([A-Za-z_]+))\)-?[0-9]*[sd]")
_NAMES = {"u": "remote_user", "f": "referer", "a": "user-agent", "l": "ident"}
_FIELDS = {
    "t": Field("time", "", "time", 3, "clf"),
    "asctime": Field("time", "", "time", 3, "iso"),
    "s": Field("status", "", "status", 3),
    "status_code": Field("status", "", "status", 3),
    "m": Field("method", "", "method", 2),
    "U": Field("path", "", "path", 2),
    "h": Field("client", ""),
    "client_addr": Field("client", ""),
}
_BODIES = {
    "t": apache.CLF_TIME,
    "asctime": r"([0-9-]{10}[ T][0-9:]{8}(?:[,.][0-9]+)?)",
    **dict.fromkeys(("s", "status_code"), r"([0-9]{3})(?: [A-Za-z' -]+)?"),
    **dict.fromkeys(("h", "client_addr"), ADDRESS),
    **dict.fromkeys(("D", "M", "T"), "([0-9]+|-)"),
    "L": r"([0-9]+\.[0-9]+|-)",
}
_DURATIONS = {"D": ("us", 5), "M": ("ms", 4), "L": ("s", 5), "T": ("s", 2)}


def tokens(text: str) -> list[str | Value]:
    """Return the literals and values of a format string."""
    found: list[str | Value] = []
    at = 0
    for match in DIRECTIVE.finditer(text):
        found += [text[at : match.start()], _value(match[0], match[1], match[3])]
        at = match.end()
    return [*found, text[at:]]


def _value(source: str, header: str | None, name: str | None) -> Value:
    if header is not None or name is None:
        return Value(source, (Field((header or "").lower(), source),), text=True)
    if name in {"r", "request_line"}:
        return Value(source, (Field("method", source, "method", 3), Field("path", source, "path", 3)), is_request=True)
    if name in _DURATIONS:
        unit, rank = _DURATIONS[name]
        return Value(source, (Field("request_time", source, "duration", rank, unit),), body=_BODIES[name])
    if name in _FIELDS:
        return Value(source, (replace(_FIELDS[name], source=source),), body=_BODIES.get(name, ""))
    return Value(source, (Field(_NAMES.get(name, name), source),), text=name in {"u", "f", "a", "q", "levelprefix"})


_OWN = re.compile(r"(?:^|[\s\[])(DEBUG|INFO|WARNING|ERROR|CRITICAL)(?:\]|:| {1,8}-)\s")


def own_message(line: str) -> str | None:
    """Return the kind of a message of the server about itself, None for any other line."""
    # an access line has its request in quotes
    found = _OWN.search(line, line.rfind('"') + 1)
    return None if found is None else f"messages of the server, {found[1]}"
