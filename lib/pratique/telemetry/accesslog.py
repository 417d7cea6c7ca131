"""Decode access lines: the request, and its number in the numbering of its sender.

A line has one of two forms: JSON, as sent by the embedded balancer and by HAProxy with Pratique's template, with the
duration or with HAProxy's timers; or HAProxy's own httplog.

Source: HAProxy 2.6 Configuration Manual, sections 8.2.3 (HTTP log format), 8.4 (timing events), 8.5 (termination states).
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pratique.config import NAME, HttplogSettings
from pratique.telemetry.access_line import NONE, AccessLine
from pratique.telemetry.buckets import LONGEST_MS
from pratique.telemetry.logs import haproxy
from pratique.telemetry.logs.meaning import active_ms, answer_code, is_no_name, kept_target
from pratique.telemetry.logs.zones import header_instant, instant_by_header
from pratique.telemetry.syslog import Message, parse

if TYPE_CHECKING:
    from pratique.telemetry.declared_lines import DeclaredLines

MAX_TEXT = 300
LONGEST = 16 << 10
"""Bytes of an httplog line that are parsed; HAProxy sends no longer lines."""
_QUERY = re.compile(rb"\?|\\u003f", re.IGNORECASE)


def decode(
    datagram: bytes,
    httplog: HttplogSettings | None = None,
    host: str = "local",
    formats: DeclaredLines | None = None,
) -> AccessLine | None:
    """Return the access line in a datagram; None when there is none. Never raises, whatever the datagram holds.

    httplog: how service and revision are read from HAProxy's own lines. host: used for a line that names none. formats: of
    services that declare the format of their lines.
    """
    message = parse(datagram)
    return None if message is None else read(message, httplog, host, formats)


def read(
    message: Message,
    httplog: HttplogSettings | None = None,
    host: str = "local",
    formats: DeclaredLines | None = None,
) -> AccessLine | None:
    """Return the access line in a syslog message; None when there is none. Never raises."""
    named = message.host if message.host != "-" else host
    try:
        if message.body[:1] == b"{":
            line: AccessLine | None = _json(message, named)
        else:
            line = _declared(message, formats, named) if formats is not None else None
            other = _httplog(message, httplog or HttplogSettings(), named)
            # a frontend of another service may log in the same format
            if line is None or (
                other is not None and formats is not None and other.service in formats.services - {line.service}
            ):
                line = other
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError, AttributeError):
        return None
    return line if line is not None and _plausible(line) else None


def without_query(datagram: bytes, message: Message, formats: DeclaredLines | None = None) -> bytes:
    """Return a datagram with an access line as it may be kept: a query may hold a token, and no action needs it.

    message: the one that was parsed from it. formats: see `read`; a line of one is cut within its values, and stays one.
    """
    if not _QUERY.search(message.body):
        return datagram
    head = datagram[: datagram.rfind(message.body)]
    if message.body[:1] == b"{":
        body = json.loads(message.body)
        return head + json.dumps({**body, "p": str(body["p"]).partition("?")[0]}).encode()
    before, quote, request = message.body.rpartition(b' "')
    text = message.body[:LONGEST].decode("utf-8", "replace")
    if _HTTPLOG.match(text.lstrip(" ")) is None:
        # a declared format has the request anywhere, and the query perhaps a second time
        cut = formats.without_query(text, message.app) if formats is not None else None
        return head + (re.sub(rb'\?[^\s"]*', b"", message.body) if cut is None else cut.encode())
    return head + before + quote + re.sub(rb'\?[^\s"]*', b"", request)


def looks_like_access(message: Message) -> bool:
    """Whether a message looks like a broken access line; HAProxy also sends messages about servers and connections."""
    if haproxy.own_message(message.body[:LONGEST].decode("utf-8", "replace")) is not None:
        return False
    return message.body[:1] == b"{" or b" [" in message.body


def _json(message: Message, host: str) -> AccessLine:
    body = json.loads(message.body)
    if None in body.values():
        # as if it were missing: the text "None" would be a name
        body = {"r": ""} | {name: value for name, value in body.items() if value is not None}
    _check_types(body)
    time_ms, duration = int(body["t"]), body.get("d")
    if duration is None:
        # on a kept-alive connection HAProxy's accept date is the beginning of the idle time before the request
        time_ms += max(0, int(body.get("Ti", 0)))
        duration = _active(body)
    state = str(body.get("ts", "----"))
    return AccessLine(
        time_ms=time_ms,
        service=str(body["s"]),
        revision=_named(body["r"]),
        method=str(body["m"]),
        path=kept_target(str(body["p"])),
        code=answer_code(int(body["c"]), state),
        duration_ms=_duration(duration),
        host=str(body.get("h", host)),
        boot=str(body.get("b", "")),
        sequence=int(body.get("q", 0)),
        instance=str(body.get("i", "")),
    )


_NOT_SCALAR = frozenset({bool, list, dict})
_USED = frozenset({"t", "s", "r", "m", "p", "c", "d", "h", "b", "q", "ts", "Ta", "TR", "Tr", "Ti"})


def _check_types(body: dict[str, object]) -> None:
    """Refuse values that `str` and `int` would make something of, such as a list as the revision. Raises: TypeError."""
    if not _NOT_SCALAR.isdisjoint(map(type, body.values())):
        wrong = [name for name in _USED & body.keys() if type(body[name]) in _NOT_SCALAR]
        if wrong:
            raise TypeError(f"{wrong[0]} is neither text nor a number")
    for name in ("t", "c", "q"):
        value = body.get(name)
        if isinstance(value, float) and not value.is_integer():
            raise TypeError(f"{name} is not a whole number")


def _active(body: dict[str, object]) -> float | None:
    """Time from the complete request to the end of the answer; None when a timer is -1 (not reached)."""
    return active_ms(*(int(str(body.get(name, -1))) for name in ("Ta", "TR", "Tr")))


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


_HTTPLOG = re.compile(haproxy.LINE)
_NAMES = tuple(field.name for field in haproxy.HTTPLOG.fields)


def _httplog(message: Message, settings: HttplogSettings, host: str) -> AccessLine | None:
    found = _HTTPLOG.match(message.body[:LONGEST].decode("utf-8", "replace").lstrip(" "))
    if found is None:
        return None
    fields = dict(zip(_NAMES, found.groups(), strict=True))
    total, request, response = (int(fields[name].lstrip("+")) for name in ("t_total", "t_request", "t_response"))
    took = active_ms(total, request, response, unfinished=fields["t_total"].startswith("+"))
    return AccessLine(
        time_ms=_time_ms(fields["time"], max(0, total), message.time, settings.timezone),
        service=settings.service or fields["frontend"].rstrip("~"),
        revision=_revision(fields, settings),
        method=fields["method"] or "-",
        path=kept_target(fields["path"] or "-"),
        code=answer_code(int(fields["status"]), fields["state"]),
        duration_ms=_duration(took),
        host=host,
        boot="",
        sequence=0,
        failed_attempts=max(0, int(fields["retries"].lstrip("+"))),
    )


def _declared(message: Message, formats: DeclaredLines, host: str) -> AccessLine | None:
    """A line of a format that a service declares; None for one that it does not match."""
    try:
        found = formats.read(message.body[:LONGEST].decode("utf-8", "replace"), message.time, message.app)
    except (ValueError, OverflowError):
        return None
    if found is None:
        return None
    return replace(
        found,
        path=kept_target(found.path),
        duration_ms=_duration(found.duration_ms),
        host=host if is_no_name(found.host) else found.host,
    )


def _time_ms(text: str, took_ms: int, header: str, zone: str) -> int:
    time = datetime.strptime(text, "%d/%b/%Y:%H:%M:%S.%f").replace(tzinfo=UTC)
    return instant_by_header(round(time.timestamp() * 1000), took_ms, header_instant(header), _zone(zone))


def _revision(fields: dict[str, str], settings: HttplogSettings) -> str:
    field, _, pattern = settings.revision_from.partition(":")
    if is_no_name(fields[field]):
        return NONE
    found = re.search(pattern, fields[field]) if pattern else re.search("(.+)", fields[field])
    return _named((found[1] or "") if found else "")


def _named(revision: object) -> str:
    return NONE if is_no_name(str(revision)) else str(revision)


def _duration(value: object) -> float | None:
    duration = float(str(value)) if value is not None else -1.0
    return duration if 0.0 <= duration < LONGEST_MS else None


def _plausible(line: AccessLine) -> bool:
    texts = (line.revision, line.host)
    return (
        re.fullmatch(NAME, line.service) is not None
        and 0 <= line.code < 1000
        and 0 < line.time_ms < 1 << 53
        and 0 <= line.sequence < 1 << 62
        and all(0 < len(text) <= MAX_TEXT and text.isprintable() for text in texts)
        and len(line.boot) <= MAX_TEXT
        and (line.boot == "" or line.boot.isprintable())
    )
