"""Lines of named values: a JSON object per line, or logfmt (key=value key="a value").

Whole blocks of JSON are decoded at once where each line has the shape of the first ones; other lines one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from pratique.telemetry.logs.fields import Field
from pratique.telemetry.logs.request_like import looks_like_request

# a key is looked for only at its first character, which keeps the time linear in a line of any length
_LOGFMT = re.compile(r'(?<![^\s="])([^\s="]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
WRONG_TYPE = "wrong type"
"""Column with the reason why a value of a line has a type that it cannot have; null for other lines."""
_MANY = 40
"""Names that a message lists."""
Place = tuple[str | int, ...]
"""The keys that lead to a value, 0 for the first element of a list."""


@dataclass(frozen=True)
class Named:
    """A reader of lines of named values. kind: "json" or "logfmt". places: where each name stands."""

    kind: str
    places: tuple[tuple[str, Place], ...] = ()

    def row(self, line: str) -> dict[str, Any] | None:
        """Return the values of a line, numbers as texts; None when it has none."""
        return _json(line) if self.kind == "json" else _logfmt(line)

    def has(self, rows: Sequence[dict[str, Any]], field: Field) -> bool:
        """Whether any row has a value of the field's name; a status is a number ("ok" and "H12" are none)."""
        if field.meaning != "status":
            return any(_place(row, field.name) is not None for row in rows)
        texts = [text for row in rows if (text := _text(row, field.name, None)) is not None]
        return any(re.fullmatch(r"-?[0-9]+(?:\.0*)?", text) for text in texts)

    def prepared(self, rows: Sequence[dict[str, Any]], names: Sequence[str]) -> Named:
        """Return a reader that knows where the names stand in the rows."""
        found = []
        for name in names:
            places = [place for row in rows if (place := _place(row, name)) is not None]
            # a list in any row is one in all: a text in its place is read line by line
            found.append((name, max(places, key=len, default=tuple(name.split(".")))))
        return replace(self, places=tuple(found))

    def split(self, frame: pl.DataFrame, names: Sequence[str], requires: Sequence[str]) -> pl.DataFrame:
        """Add the columns matched, g0, g1, … with the texts of the names, and WRONG_TYPE for JSON."""
        if self.kind == "json" and set(requires) <= set(names):
            decoded = self._decoded(frame, names)
            if decoded is not None:
                needed = [pl.col(f"g{names.index(name)}").is_not_null() for name in requires]
                decoded = self._with_wrong_types(decoded, names)
                return decoded.with_columns(matched=pl.all_horizontal(pl.lit(value=True), *needed))
        places = dict(self.places)
        rows = [self.row(line) for line in frame["line"].to_list()]
        matched = [row is not None and all(_place(row, key) is not None for key in requires) for row in rows]
        texts = {
            f"g{index}": pl.Series(
                [None if row is None else _text(row, name, places.get(name)) for row in rows], dtype=pl.String
            )
            for index, name in enumerate(names)
        }
        wrong = [None if row is None else _wrong_type(row, names, places) for row in rows]
        texts[WRONG_TYPE] = pl.Series(wrong, dtype=pl.String)
        return frame.with_columns(matched=pl.Series(matched, dtype=pl.Boolean), **texts)

    def _with_wrong_types(self, decoded: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
        """Look again at rows whose texts may have been true or false, or a list of several values."""
        suspect = pl.any_horizontal("several", *(pl.col(f"g{i}").is_in(["true", "false"]) for i in range(len(names))))
        rows = decoded.select(suspect.alias("suspect"))["suspect"].fill_null(value=False).arg_true()
        if not len(rows):
            return decoded.with_columns(pl.lit(None, pl.String).alias(WRONG_TYPE))
        places = dict(self.places)
        found = [_wrong_type(self.row(line) or {}, names, places) for line in decoded["line"][rows].to_list()]
        column = pl.repeat(None, len(decoded), dtype=pl.String, eager=True).scatter(rows, found)
        return decoded.with_columns(column.alias(WRONG_TYPE))

    def _decoded(self, frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame | None:
        """The same by polars, for a block of lines of one shape; None for any other."""
        places = dict(self.places)
        if not places or any(name not in places for name in names):
            return None
        kind = _struct([places[name] for name in names])
        if kind is None:
            return None
        line = pl.col("line").str.strip_chars()
        is_object = line.str.starts_with("{") & line.str.ends_with("}")
        lines = frame.select(pl.when(is_object).then(line).alias("line"))["line"]
        # polars keeps single surrogates, which no text may hold
        if lines.null_count() or lines.str.contains(r"\\u[dD][89a-fA-F]").any():
            return None
        try:
            body = lines.str.json_decode(kind)
        except pl.exceptions.PolarsError:
            return None
        texts, several = [], [pl.lit(value=False)]
        for index, name in enumerate(names):
            value = pl.lit(body)
            for key in places[name]:
                if isinstance(key, int):
                    several.append(value.list.len() > 1)
                    value = value.list.first()
                else:
                    value = value.struct.field(key)
            texts.append(value.alias(f"g{index}"))
        columns = {f"g{index}": text for index, text in enumerate(texts)}
        return frame.with_columns(matched=pl.lit(value=True), several=pl.any_horizontal(several), **columns)

    def why_not(self, line: str, requires: Sequence[str]) -> str:
        """Return why a line has no values."""
        if not line.strip():
            return "an empty line"
        row = self.row(line)
        if row is None:
            return _why_no_json(line) if self.kind == "json" else "has no key=value pair"
        missing = [name for name in requires if _place(row, name) is None]
        return f"has no field {missing[0]!r}" if missing else "cannot be read"

    def other_kind(self, line: str) -> str | None:
        """Return the kind of a line of a program's own log, which is no request."""
        row = self.row(line) if '"logger"' in line or '"levelname"' in line else None
        if row is None or "status" in row:
            return None
        logger = str(row.get("logger", row.get("levelname")))
        # Caddy tells each failed request in its access log too
        is_request = logger.startswith("http.log.access") or (
            not logger.startswith("http.") and looks_like_request(row)
        )
        return None if is_request else f"messages of the logger {logger}"[:80]


def hides_request(line: str) -> bool:
    """Whether a line of named values that no field is known of looks like a request all the same."""
    row = _json(line) or _logfmt(line)
    return row is not None and looks_like_request(row)


def keys_of(row: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the names of all values of a row, dotted where they are nested; of a list, those of its first element."""
    for key, value in row.items():
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict):
            yield from keys_of(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def text_at(row: dict[str, Any], name: str) -> str | None:
    """Return the text of a value, by its name or dotted path; None when there is none."""
    return _text(row, name, None)


def listed(keys: Sequence[str]) -> str:
    """Names for a message."""
    return ", ".join(keys[:_MANY]) + (" …" if len(keys) > _MANY else "")


def _json(line: str) -> dict[str, Any] | None:
    start = line.find("{")
    if start < 0:
        return None
    try:
        body = json.loads(line[start:], parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _why_no_json(line: str) -> str:
    start = line.find("{")
    if start < 0:
        return "is no JSON object: it has no '{'"
    try:
        json.loads(line[start:])
    except json.JSONDecodeError as error:
        return f"is no JSON object: {error.msg} at column {start + error.colno}"
    except (ValueError, RecursionError):
        return "is no JSON object: too large or nested too deeply"
    return "is no JSON object"


def _logfmt(line: str) -> dict[str, Any] | None:
    pairs = {key: _unquoted(value) for key, value in _LOGFMT.findall(line)}
    return pairs or None


def _unquoted(value: str) -> str | None:
    if value.startswith('"'):
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value or None


def _place(row: dict[str, Any], name: str) -> Place | None:
    """Where a value stands: under its name, or at a dotted path; case matters only where both exist.

    The path leads into nested objects, and into the first element of a list. A key may hold dots itself.
    """
    return _path(row, name.split("."))


def _path(at: Any, parts: Sequence[str]) -> Place | None:
    if isinstance(at, list):
        inner = _path(at[0] if at else None, parts)
        return None if inner is None else (0, *inner)
    if not parts:
        return ()
    if not isinstance(at, dict):
        return None
    for count in range(len(parts), 0, -1):
        name = ".".join(parts[:count])
        key = name if name in at else next((key for key in at if key.lower() == name.lower()), None)
        inner = None if key is None else _path(at[key], parts[count:])
        if key is not None and inner is not None:
            return (key, *inner)
    return None


def _at(row: dict[str, Any], place: Place) -> Any:
    value: Any = row
    for key in place:
        if isinstance(key, int):
            value = value[0] if isinstance(value, list) and value else None
        elif isinstance(value, dict):
            value = value.get(key)
        else:
            return None
    return value


def _text(row: dict[str, Any], name: str, place: Place | None) -> str | None:
    """The text of a value."""
    value = _at(row, place) if place is not None else None
    if value is None:
        other = _place(row, name)
        value = _at(row, other) if other is not None else None
    if value is None or isinstance(value, dict | list):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    # JSON may hold single surrogates, which cannot be encoded
    return str(value).encode("utf-8", "replace").decode()


def _wrong_type(row: dict[str, Any], names: Sequence[str], places: Mapping[str, Place]) -> str | None:
    """Why a value is neither a text nor a number; a list of one value, as of a header, counts as this value."""
    for name in names:
        place = places.get(name) or _place(row, name) or ()
        whole = _at(row, place[:-1] if place[-1:] == (0,) else place)
        if isinstance(whole, list) and len(whole) > 1:
            return f"its {name!r} is a list of {len(whole)} values"
        value = whole[0] if isinstance(whole, list) and whole else whole
        if isinstance(value, bool):
            return f"its {name!r} is {str(value).lower()}, which is no text or number"
    return None


def _struct(places: Sequence[Place]) -> pl.DataType | None:
    """The type of an object with texts at these places; None where one place is within another."""
    tree: dict[str | int, Any] = {}
    for place in places:
        at = tree
        for key in place[:-1]:
            at = at.setdefault(key, {})
            if not isinstance(at, dict):
                return None
        if at.setdefault(place[-1], pl.String()) != pl.String():
            return None
    return _typed(tree)


def _typed(tree: dict[str | int, Any]) -> pl.DataType | None:
    inner: dict[str | int, pl.DataType] = {}
    for key, value in tree.items():
        kind = _typed(value) if isinstance(value, dict) else value
        if kind is None:
            return None
        inner[key] = kind
    if 0 in inner and len(inner) > 1:
        return None
    return pl.List(inner[0]) if 0 in inner else pl.Struct({str(key): value for key, value in inner.items()})
