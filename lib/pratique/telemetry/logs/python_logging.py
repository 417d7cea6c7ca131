"""Format strings of Python's servers: gunicorn's access_log_format, and the names of uvicorn's log records.

Source: gunicorn's settings, access_log_format; uvicorn's logging configuration.
"""

from __future__ import annotations

import re

from pratique.telemetry.logs import apache
from pratique.telemetry.logs.fields import Field
from pratique.telemetry.logs.nginx import ADDRESS
from pratique.telemetry.logs.template import Value

DIRECTIVE = re.compile(r"%\((?:\{([^}]+)\}([ioe])|([A-Za-z_]+))\)-?[0-9]*[sd]")
_NAMES = {"h": "client", "client_addr": "client", "u": "remote_user", "f": "referer", "a": "user-agent", "l": "ident"}
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
        body = r"([0-9]+\.[0-9]+|-)" if name == "L" else "([0-9]+|-)"
        return Value(source, (Field("request_time", source, "duration", rank, unit),), body=body)
    if name == "t":
        return Value(source, (Field("time", source, "time", 3, "clf"),), body=apache.CLF_TIME)
    if name == "asctime":
        return Value(
            source, (Field("time", source, "time", 3, "iso"),), body=r"([0-9-]{10}[ T][0-9:]{8}(?:[,.][0-9]+)?)"
        )
    if name in {"s", "status_code"}:
        return Value(source, (Field("status", source, "status", 3),), body=r"([0-9]{3})(?: [A-Za-z' -]+)?")
    if name in {"h", "client_addr"}:
        return Value(source, (Field("client", source),), body=ADDRESS)
    meaning = {"m": "method", "U": "path"}.get(name, "")
    named = {"method": "method", "path": "path"}.get(meaning, _NAMES.get(name, name))
    return Value(source, (Field(named, source, meaning, 2),), text=name in {"u", "f", "a", "q", "levelprefix"})
