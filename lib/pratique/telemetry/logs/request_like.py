"""Whether named values of unknown names are a request: a program may write its failures in another form than its successes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_METHOD = re.compile(r"GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS|CONNECT|TRACE")
_REQUEST_LINE = re.compile(rf"\b(?:{_METHOD.pattern}) (?:/|https?://)\S*|\bHTTP/[0-9]")
_TARGET = re.compile(r"(?:/|https?://)\S*")
_CODE = re.compile(r"[1-5][0-9]{2}\b(?![.,:][0-9])")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_OF_REQUESTS = frozenset({"http", "request", "req", "method", "verb", "url", "uri", "route", "endpoint", "upstream"})
_OF_CODES = frozenset(
    {"status", "statuscode", "code", "rc", "sc", "st", "answer", "response", "resp", "result", "outcome"}
)
_OF_DURATIONS = frozenset(
    {"duration", "took", "elapsed", "latency", "lat", "rt", "ms", "msec", "millis", "us", "ns", "sec", "seconds"}
)
ENOUGH = 2
"""Signs of a request that a line needs; one of them is usual in a message: a path of a file, an exit code, a duration."""


def looks_like_request(row: Mapping[str, Any]) -> bool:
    """Whether values, nested as JSON has them, tell about a request: a method or a code, and another sign of one."""
    signs: set[str] = set()
    for key, value in _values(row):
        signs |= _signs(set(map(str.lower, _WORDS.findall(key))), value)
    return len(signs) >= ENOUGH and bool(signs & {"method", "code"})


def _signs(words: set[str], value: str) -> set[str]:
    # an id of a request stands in its messages too
    found = {"name"} if words & _OF_REQUESTS and "id" not in words else set()
    if _METHOD.fullmatch(value):
        found.add("method")
    if _REQUEST_LINE.search(value):
        # a line of a request tells its method and its target
        found |= {"method", "target"}
    if _TARGET.fullmatch(value):
        found.add("target")
    if words & _OF_CODES and _CODE.match(value):
        found.add("code")
    if words & _OF_DURATIONS and re.match(r"[0-9]", value):
        found.add("duration")
    return found


def _values(row: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Each value as text, with all the names that lead to it."""
    if isinstance(row, Mapping):
        for key, value in row.items():
            yield from _values(value, f"{name} {key}")
    elif isinstance(row, list):
        for value in row:
            yield from _values(value, name)
    elif row is not None:
        yield name, str(row)
