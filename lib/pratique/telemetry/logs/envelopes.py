"""Lines within lines: what a container engine, journald or a log shipper wraps around each line of a program."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pratique.telemetry.logs.named import keys_of, text_at

_CONTENT = ("log", "MESSAGE", "message", "line", "textPayload", "msg")
_TIMES = ("time", "__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "@timestamp", "timestamp", "ts")
_OF_ENGINES = ({"log", "stream"}, {"MESSAGE", "__REALTIME_TIMESTAMP"})
"""Keys of json-file and of journald: objects with them are wrappers, whatever format is expected."""
_OF_SHIPPERS = {"kubernetes", "docker", "container", "container_id", "container_name", "attrs"}
"""Keys of which a shipper adds one: such an object is a wrapper when JSON stands in its text."""
_STREAMS = ("stream", "source", "PRIORITY")
_CONTAINERS = ("container_id", "CONTAINER_ID", "kubernetes.docker_id", "kubernetes.pod_name", "container_name")
_CUT_AT = range(16_380, 16_400)
"""Bytes at which Docker cuts a line; a character that the cut divides becomes a longer one."""
HEADER = re.compile(
    r"^\s*(?:[^\s|]+\s+\|\s+|[A-Z], )?\[?([0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?(?: ?(?:Z|[+-][0-9]{2}:?[0-9]{2}))?)\]?[\s,]"
    r"|^<[0-9]{1,3}>(?:1 )?([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:[.,][0-9]+)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)\s"
)
"""A time in front of a line: syslog's, a container engine's (docker logs -t, CRI), or a program's own;
also behind the name that docker compose puts in front, and behind the level of Ruby's logger."""


@dataclass(frozen=True)
class Inner:
    """A line within a wrapper, or a part of one. stream: the same for all parts of a line. outer: of the names asked for."""

    text: str
    time: str | None
    stream: Hashable
    is_part: bool
    outer: tuple[str | None, ...]


@dataclass(frozen=True)
class Envelope:
    """A wrapper in JSON. content, time: the keys of the line, and of the time at which the engine took it.

    keys: all other names, dotted where they are nested. ended: whether the wrapper keeps the end of a line.
    """

    content: str
    time: str | None
    keys: tuple[str, ...] = ()
    ended: bool = False

    def inner(self, line: str, names: Sequence[str], *, awaited: bool) -> Inner | None:
        """Return the line within a line; None for a line without the wrapper.

        names: of values of the wrapper. awaited: whether the line may end another one; else only a part needs its stream.
        """
        body = _object(line)
        content = None if body is None else _content(body, self.content)
        if body is None or content is None:
            return None
        is_part = self._is_part(body, content)
        return Inner(
            content.removesuffix("\n").removesuffix("\r"),
            _time(body.get(self.time or "")),
            (_first(body, _STREAMS), *(text_at(body, name) for name in _CONTAINERS)) if is_part or awaited else None,
            is_part,
            tuple(text_at(body, name) for name in names),
        )

    def _is_part(self, body: dict[str, Any], content: str) -> bool:
        """Whether the line goes on in the next object of its stream: as its shipper marks it, or as Docker cuts it."""
        tag = _first(body, ("logtag", "_p"))
        if tag is not None:
            return tag == "P"
        if _first(body, ("partial_message", "CONTAINER_PARTIAL_MESSAGE")) is not None:
            return _first(body, ("partial_last", "CONTAINER_PARTIAL_LAST")) != "true"
        if self.content != "log" or content.endswith("\n"):
            return False
        # the last line of a program that ended may lack its end too
        return len(content.encode()) in _CUT_AT or (self.ended and content.startswith("{") and _object(content) is None)


def found(lines: Sequence[str], *, is_json: bool) -> Envelope | None:
    """Return the wrapper of the first lines, None when they have none. is_json: whether the lines within may be JSON."""
    bodies = [body for line in lines if (body := _object(line)) is not None]
    if not bodies:
        return None
    for key in _CONTENT:
        content = _content(bodies[0], key)
        if content is None or (is_json and not _is_wrapper(bodies[0], content)):
            continue
        wrapped = [body for body in bodies if _content(body, key) is not None]
        names = dict.fromkeys(name for body in wrapped for name in keys_of(body) if name != key)
        ended = any(str(body[key]).endswith("\n") for body in wrapped)
        return Envelope(key, next((name for name in _TIMES if name in bodies[0]), None), tuple(names), ended)
    return None


def is_object(content: str) -> bool:
    """Whether a line is a whole JSON object."""
    return _object(content) is not None


def _is_wrapper(body: dict[str, Any], content: str) -> bool:
    if any(keys <= body.keys() for keys in _OF_ENGINES):
        return True
    return bool(_OF_SHIPPERS & body.keys()) and _object(content) is not None


def _object(line: str) -> dict[str, Any] | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _first(body: dict[str, Any], names: Sequence[str]) -> str | None:
    return next((str(body[name]) for name in names if body.get(name) is not None), None)


def _content(body: dict[str, Any], key: str) -> str | None:
    content = body.get(key)
    if isinstance(content, list) and key == "MESSAGE":
        # journald writes a line that is no UTF-8 as a list of bytes
        try:
            content = bytes(content).decode("utf-8", "replace")
        except (ValueError, TypeError):
            return None
    return content.encode("utf-8", "replace").decode() if isinstance(content, str) else None


def _time(value: object) -> str | None:
    """The time as ISO text: journald writes microseconds since 1970."""
    if value is None:
        return None
    text = str(value)
    if re.fullmatch(r"[0-9]{16}", text):
        return datetime.fromtimestamp(int(text) / 1e6, UTC).isoformat(timespec="microseconds")
    return text[:64]
