"""nginx's log_format. Source: nginx's manual, ngx_http_log_module, ngx_http_core_module and ngx_http_upstream_module."""

from __future__ import annotations

import re

from pratique.telemetry.logs.fields import Field
from pratique.telemetry.logs.template import Value

VARIABLE = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")
_LIST = r'((?:-|[^ ,"]+)(?:(?:, ?| : )(?:-|[^ ,"]+))*|)'
"""One value, or one of each server that nginx asked: "a, b : c"; "-" where none answered."""
ADDRESS = r"([^ ]*)"
_CLF = r"([^ ]+ [+-][0-9]{4})"

_MEANINGS: dict[str, tuple[str, int, str]] = {
    "msec": ("time", 4, "epoch_s"),
    "time_iso8601": ("time", 3, "iso"),
    "time_local": ("time", 2, "clf"),
    "status": ("status", 3, ""),
    "upstream_status": ("status", 1, ""),
    "request_method": ("method", 2, ""),
    "request_uri": ("path", 3, ""),
    # rewrites, index and error_page change them: what fails would land in another action than what succeeds
    "uri": ("path", 1, ""),
    "document_uri": ("path", 1, ""),
    "request_time": ("duration", 3, "s"),
    "upstream_response_time": ("duration", 2, "s"),
    "hostname": ("host", 2, ""),
}
UPSTREAM_LISTS = frozenset(
    f"upstream_{name}"
    for name in (
        *("addr", "status", "response_time", "connect_time", "header_time", "first_byte_time", "session_time"),
        *("response_length", "bytes_received", "bytes_sent", "queue_time", "cache_age"),
    )
)
_TEXTS = re.compile(r"(?:http|sent_http|upstream_http|cookie|arg)_|remote_user$|args$|query_string$|request_body$")
_NUMBERS = frozenset({"body_bytes_sent", "bytes_sent", "request_length", "remote_port", "server_port"})


def tokens(text: str) -> list[str | Value]:
    """Return the literals and values of a format string."""
    found: list[str | Value] = []
    at = 0
    for match in VARIABLE.finditer(text):
        found += [text[at : match.start()], value(match[1] or match[2], match[0])]
        at = match.end()
    return [*found, text[at:]]


def value(name: str, source: str) -> Value:
    """Return the value of a variable."""
    if name == "request":
        return Value(source, (Field("method", source, "method", 3), Field("path", source, "path", 3)), is_request=True)
    field = field_of(name, source)
    if name in UPSTREAM_LISTS:
        return Value(source, (field,), body=_LIST)
    if name == "time_local":
        return Value(source, (field,), body=_CLF)
    if name == "status":
        return Value(source, (field,), body="([0-9]{3}|-)")
    if name in _NUMBERS:
        return Value(source, (field,), body="(-?[0-9]+|-)")
    return Value(source, (field,), text=_TEXTS.match(name) is not None)


def field_of(name: str, source: str) -> Field:
    """Return the field of a variable, or of a key of that name in a JSON log."""
    meaning, rank, kind = _MEANINGS.get(name, ("", 1, ""))
    alias = {"remote_addr": ("client",), "time_local": ("time",), "request_uri": ("path",)}.get(name, ())
    return Field(name, source, meaning, rank, kind, aliases=alias, upstreams=name in UPSTREAM_LISTS)
