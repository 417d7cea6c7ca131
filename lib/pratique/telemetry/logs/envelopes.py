"""Lines within lines: what a container engine, journald or a log shipper wraps around each line of a program."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

_CONTENT = ("log", "MESSAGE", "message", "line", "textPayload", "msg")
_TIMES = ("time", "__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "@timestamp", "timestamp", "ts")
_OF_ENGINES = ({"log", "stream"}, {"MESSAGE", "__REALTIME_TIMESTAMP"})
"""Keys of json-file and of journald: objects with them are wrappers, whatever format is expected."""
HEADER = re.compile(
    r"^\s*(?:[^\s|]+\s+\|\s+|[A-Z], )?\[?([0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?(?: ?(?:Z|[+-][0-9]{2}:?[0-9]{2}))?)\]?[\s,]"
    r"|^<[0-9]{1,3}>(?:1 )?([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:[.,][0-9]+)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)\s"
)
"""A time in front of a line: syslog's, a container engine's (docker logs -t, CRI), or a program's own;
also behind the name that docker compose puts in front, and behind the level of Ruby's logger."""


@dataclass(frozen=True)
class Envelope:
    """The keys of a wrapper in JSON: of the line, and of the time at which the engine took it."""

    content: str
    time: str | None

    def unwrapped(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Replace the lines by those within, and set the column header to the wrapper's time; other lines stay."""
        inner = [self._inner(line) for line in frame["line"].to_list()]
        return frame.with_columns(
            line=pl.Series([line for line, _ in inner], dtype=pl.String),
            header=pl.Series([time for _, time in inner], dtype=pl.String),
        )

    def _inner(self, line: str) -> tuple[str, str | None]:
        body = _object(line)
        content = None if body is None else _content(body, self.content)
        if body is None or content is None:
            return line, None
        return content.removesuffix("\n").removesuffix("\r"), _time(body.get(self.time or ""))


def found(lines: Sequence[str], *, is_json: bool) -> Envelope | None:
    """Return the wrapper of the first lines, None when they have none. is_json: whether the lines within may be JSON."""
    for line in lines:
        body = _object(line)
        if body is None:
            continue
        for key in _CONTENT:
            content = _content(body, key)
            if content is None or (is_json and not any(keys <= body.keys() for keys in _OF_ENGINES)):
                continue
            return Envelope(key, next((name for name in _TIMES if name in body), None))
        return None
    return None


def _object(line: str) -> dict[str, Any] | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


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
