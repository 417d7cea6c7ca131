"""Regular expressions of a line, made from literal text and values.

Only syntax that Python and Rust share is used. The vectorised import uses Rust's engine, whose time grows linearly with a
line, whatever the format is and whoever wrote the line; so does the reason of a long rejected line. For a short one Python's
engine is quicker.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pratique.telemetry.logs.fields import Field

# a request line of a broken client may have no method and path
REQUEST = r'(?:([A-Za-z]+) ((?:[^ "\\]|\\.)+)(?:[^"\\]|\\.)*|(?:[^"\\]|\\.)*)'
QUICK_REQUEST = r'([A-Za-z]+) ([^ "\\]+) [^"\\]*'
BARE_REQUEST = r"([A-Za-z]+) ([^ ]+)(?: [A-Z]+/[0-9.]+)?"
QUOTED = r'((?:[^"\\]|\\.)*)'
QUICK_QUOTED = r'([^"\\]*)'
_STAMP = r"(?:[A-Z][a-z]{2} [ 0-9][0-9] (?:[0-9]{4} )?[0-9:]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[^ \"]+)"
_HEADER = rf'(?:(?:<[0-9]{{1,3}}>)?{_STAMP} (?:std(?:out|err) [FP] |(?:[^ "]+ )?[^ ":]+: )|[^ "]+ +\| )'
PREFIX = rf'(?:{_HEADER})?(?:[^"]*? )??'
"""What may stand in front of a line: the header of syslog, of a container engine, of a log viewer. It has no quotes, so
that what a client sends, which stands in quotes, cannot be taken for the beginning of a line."""
STOPS = frozenset(" ]}|;,\t'")
END = r"[ \t]*\r?$"
LONGEST_EXPLAINED = 4096
"""Characters of a rejected line that are searched for the reason."""
SHORT = 256
"""Characters of a line up to which Python's engine is used: in a hostile line its time grows with the third power."""


@dataclass(frozen=True)
class Value:
    """A place in a format with a value.

    fields: what the groups of the value are: one, or two for a request line. body: expression of the value with as many
    groups as fields; "" for whatever stands up to the next literal. text: the value may hold blanks. optional: the value
    and the blank behind it may be missing. quoted: it stands in quotes, which an empty value may lack.
    """

    source: str
    fields: tuple[Field, ...]
    body: str = ""
    text: bool = False
    optional: bool = False
    quoted: bool = False
    is_request: bool = False


@dataclass(frozen=True)
class Piece:
    """A part of the expression of a line."""

    source: str
    pattern: str
    quick: str


@dataclass(frozen=True)
class Template:
    """The expressions of a line.

    pattern: of any line of the format. quick: of lines without escapes, gaps and prefix, three times as fast; on lines
    that it matches both agree. fields: what the groups are, in order. pieces: the parts of the pattern.
    """

    pattern: str
    quick: str
    fields: tuple[Field, ...]
    pieces: tuple[Piece, ...]

    def why_not(self, line: str) -> str:
        """Return which part of the format a line does not match."""
        text = line[:LONGEST_EXPLAINED]
        low, high = 0, len(self.pieces)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._matched(middle, text) is not None else (low, middle)
        column = (self._matched(low, text) or 0) + 1 if low else 1
        found = text[column - 1 : column + 19]
        return f"does not match the format at {self.pieces[low].source!r}, column {column}: {repr(found) if found else 'the line ends there'}"

    def _matched(self, pieces: int, text: str) -> int | None:
        """How many characters the first pieces match; None where they do not."""
        found = groups_of(f"^{PREFIX}" + "".join(piece.pattern for piece in self.pieces[:pieces]), text)
        return None if found is None else len(found[0] or "")


def groups_of(pattern: str, text: str) -> tuple[str | None, ...] | None:
    """Return what a pattern matches at the beginning of a line, and its groups; None when it does not match.

    Whoever wrote the line, the time is bounded by SHORT, or grows linearly.
    """
    if len(text) <= SHORT:
        matched = re.match(pattern, text)
        return None if matched is None else (matched[0], *matched.groups())
    # polars takes memory that a collector without declared formats has for its windows
    import polars as pl  # noqa: PLC0415

    found = pl.Series([text], dtype=pl.String).str.extract_groups(f"({pattern})").struct.unnest().row(0)
    return None if found[0] is None else found


def compiled(tokens: Sequence[str | Value], *, open_end: bool = False) -> Template:
    """Return the template of a line. open_end: anything may follow."""
    items = _quotes_with_their_value(_merged(tokens))
    pieces = [
        Piece(item, _padded(item), escaped(item))
        if isinstance(item, str)
        else _piece(item, _next(items, index), first=index == 0)
        for index, item in enumerate(items)
    ]
    end = r"(?:[ \t].*)?\r?$" if open_end else END
    quick_end = r"(?: .*)?$" if open_end else "$"
    return Template(
        f"^{PREFIX}" + "".join(piece.pattern for piece in pieces) + end,
        "^" + "".join(piece.quick for piece in pieces) + quick_end,
        tuple(field for item in items if isinstance(item, Value) for field in item.fields),
        (*pieces, Piece("the end of the line", end, end)),
    )


def _merged(tokens: Sequence[str | Value]) -> list[str | Value]:
    """Neighbouring literals become one."""
    merged: list[str | Value] = []
    for token in tokens:
        last = merged[-1] if merged else None
        if isinstance(token, str) and isinstance(last, str):
            merged[-1] = last + token
        elif token != "":
            merged.append(token)
    return merged


def _quotes_with_their_value(items: list[str | Value]) -> list[str | Value]:
    """Quotes around a value become a part of it, and so does the blank behind an optional value."""
    found = list(items)
    for index, item in enumerate(found):
        if isinstance(item, str):
            continue
        before = found[index - 1] if index else ""
        after = found[index + 1] if index + 1 < len(found) else ""
        if isinstance(before, str) and isinstance(after, str) and before.endswith('"') and after.startswith('"'):
            found[index - 1], found[index + 1] = before[:-1], after[1:]
            found[index] = replace(item, quoted=True)
        elif item.optional and isinstance(after, str) and after.startswith(" "):
            found[index + 1] = after[1:]
        elif item.optional:
            found[index] = replace(item, optional=False, body=f"(?:{item.body})?")
    return [item for item in found if item != ""]


def _next(items: list[str | Value], index: int) -> str | None:
    """The character behind a value; "" where another value follows, None at the end of the line."""
    if index + 1 == len(items):
        return None
    after = items[index + 1]
    return after[0] if isinstance(after, str) else ""


def _piece(value: Value, after: str | None, *, first: bool) -> Piece:
    if value.is_request:
        full, quick = (REQUEST, QUICK_REQUEST) if value.quoted else (BARE_REQUEST, BARE_REQUEST)
    elif value.body:
        full = quick = value.body
    elif value.quoted:
        full, quick = QUOTED, QUICK_QUOTED
    else:
        # blanks in front belong to the prefix of a line, not to its first value
        full, quick = _up_to(after, text=value.text and not first, blanks=not first)
    if value.quoted:
        full, quick = f'(?:"{full}"|-)', f'"{quick}"'
    if value.optional:
        full, quick = f"(?:{full} )?", f"(?:{quick} )?"
    return Piece(value.source, full, quick)


def _up_to(after: str | None, *, text: bool, blanks: bool) -> tuple[str, str]:
    """Expressions of whatever stands in front of a character; None: of the end of the line. blanks: it may hold them."""
    stop = after if after is not None and after in STOPS else ""
    some = f"[^{escaped(stop)}{'' if blanks and stop else ' '}]*" if stop != " " else "[^ ]*"
    # a character that a value may hold ends it where the rest of the line fits
    some = f"({some})" if stop or after is None else f"({some}?)"
    return ("(.*?)" if text else some), some


def _padded(text: str) -> str:
    """The expression of literal text; a blank may be more, as programs align columns with them.

    As few as fit: an empty value between two blanks stays empty where the rest of the line fits.
    """
    return re.sub(" +", " +?", escaped(text))


def escaped(text: str) -> str:
    """Return an expression of literal text; re.escape escapes blanks, which Rust refuses."""
    return re.escape(text).replace(r"\ ", " ")
