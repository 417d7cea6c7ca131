"""Read an answer of JSON objects, one a line, as it arrives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pratique.errors import UnavailableError


def json_lines(pieces: Iterator[bytes], name: str) -> Iterator[dict[str, Any]]:
    """Yield the objects. name: the store, for messages. Raises: UnavailableError for a line that is not one; what `pieces` raises."""
    for line in _lines(pieces):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise UnavailableError(f"store {name!r} cannot be read: its answer was cut off, or is not JSON: try again")
        yield found


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    left = b""
    for piece in pieces:
        *whole, left = (left + piece).split(b"\n")
        yield from (line for line in whole if line.strip())
    if left.strip():
        yield left
