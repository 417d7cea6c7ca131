"""Envoy's access log format strings, which Istio uses too.

Source: Envoy's manual, access logging, command operators; Istio's default access log format.
"""

from __future__ import annotations

import re

from pratique.telemetry.logs import strftime
from pratique.telemetry.logs.fields import Field
from pratique.telemetry.logs.template import Value

OPERATOR = re.compile(r"%([A-Z][A-Z0-9_]{3,}|REQ|CEL)(?:\(([^)]*)\))?(?::([0-9]+))?%")
DEFAULT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"'
)
ISTIO = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% '
    "%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" '
    "%UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%"
)
_MEANINGS: dict[str, tuple[str, int, str]] = {
    "RESPONSE_CODE": ("status", 3, ""),
    "DURATION": ("duration", 3, "ms"),
    "ROUNDTRIP_DURATION": ("duration", 1, "ms"),
    "UPSTREAM_HOST": ("host", 2, ""),
    "UPSTREAM_REMOTE_ADDRESS": ("host", 1, ""),
    "REQ(:METHOD)": ("method", 3, ""),
    "REQ(:PATH)": ("path", 2, ""),
    "PATH": ("path", 2, ""),
    "METHOD": ("method", 2, ""),
    "REQ(X-ENVOY-ORIGINAL-PATH)": ("path", 1, ""),
    "REQ(X-ENVOY-ORIGINAL-PATH?:PATH)": ("path", 3, ""),
    "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)": ("duration", 1, "ms"),
    "RESPONSE_HEADERS(X-ENVOY-UPSTREAM-SERVICE-TIME)": ("duration", 1, "ms"),
    "UPSTREAM_REQUEST_ATTEMPT_COUNT": ("attempts", 2, ""),
}
_NUMBERS = frozenset({"BYTES_RECEIVED", "BYTES_SENT", "DURATION", "RESPONSE_CODE"})
_SHORT = {"RESPONSE_CODE": "status", "REQ(:METHOD)": "method", "UPSTREAM_HOST": "host", "REQ(:PATH)": "path"}


def tokens(text: str) -> list[str | Value]:
    """Return the literals and values of a format string. Raises: UsageError for a time format that is unknown."""
    found: list[str | Value] = []
    at = 0
    for match in OPERATOR.finditer(text):
        found += [text[at : match.start()], _value(match[0], match[1], match[2])]
        at = match.end()
    return [*found, text[at:]]


def _value(source: str, operator: str, argument: str | None) -> Value:
    if operator in {"START_TIME", "START_TIME_LOCAL"}:
        return _time(source, argument)
    if operator == "EMIT_TIME":
        return Value(source, (Field("emit_time", source),))
    name = operator if argument is None else f"{operator}({argument})"
    meaning, rank, kind = _MEANINGS.get(name.upper(), ("", 1, ""))
    field = Field(_SHORT.get(name, _name(operator, argument)), source, meaning, rank, kind, aliases=(name,))
    if operator in _NUMBERS:
        return Value(source, (field,), body="(-|[0-9]+)")
    return Value(source, (field,), text=argument is not None and meaning == "")


def _name(operator: str, argument: str | None) -> str:
    """The name of a header or of an operator: x-revision, upstream_cluster."""
    if operator in {"REQ", "RESP", "TRAILER", "REQUEST_HEADER", "RESPONSE_HEADER"} and argument:
        return argument.split("?")[0].lstrip(":").lower()
    return operator.lower()


def _time(source: str, argument: str | None) -> Value:
    if not argument:
        return Value(source, (Field("time", source, "time", 3, "iso"),))
    return Value(
        source, (Field("time", source, "time", 3, f"strftime:{argument}"),), body=f"({strftime.plain(argument)})"
    )
