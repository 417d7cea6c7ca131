"""Layouts of a log: each splits lines into the texts of its fields, in columns g0, g1, …"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

import polars as pl

from pratique.errors import UsageError
from pratique.telemetry.logs.fields import OVERRIDE, Field
from pratique.telemetry.logs.named import Named, keys_of
from pratique.telemetry.logs.template import Template, Value, compiled

_NEEDED = frozenset({"time", "status", "method", "path", "request", "duration"})


class Layout(Protocol):
    """How a line is split into fields.

    name: of the format, for a person. fields: what the columns g0, g1, … of `split` are.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def fields(self) -> Sequence[Field]: ...  # noqa: D102

    def prepared(self, lines: Sequence[str], wanted: Iterable[str]) -> Layout:
        """Return the layout after a look at the first lines. wanted: names of further fields that are to be read."""

    def split(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add the columns matched, g0, g1, … to a frame with a column line; the rows keep their order."""

    def why_not(self, line: str) -> str:
        """Return why a line is not of this layout."""

    def other_kind(self, line: str) -> str | None:
        """Return the kind of a line that is no request, but belongs in such a log; else None."""


def columns(count: int) -> list[str]:
    """The names of the columns of fields."""
    return [f"g{index}" for index in range(count)]


def no_kind(_: str) -> str | None:
    """No line of the log is anything but a request."""
    return None


@dataclass(frozen=True)
class TextLayout:
    """Lines that match a template."""

    name: str
    template: Template
    kinds: Callable[[str], str | None] = no_kind
    hints: tuple[tuple[re.Pattern[str], str], ...] = ()

    @property
    def fields(self) -> tuple[Field, ...]:
        """The groups of the template."""
        return self.template.fields

    def prepared(self, lines: Sequence[str], wanted: Iterable[str]) -> TextLayout:
        """Nothing depends on the lines."""
        del lines, wanted
        return self

    def split(self, frame: pl.DataFrame) -> pl.DataFrame:
        """See Layout."""
        names = columns(len(self.fields))
        quick = _extracted(frame, self.template.quick, names)
        is_matched = pl.any_horizontal(pl.col(names).is_not_null())
        if quick.select(is_matched.all()).item():
            return quick.with_columns(matched=pl.lit(value=True))
        slow = _extracted(quick.filter(~is_matched).drop(names), self.template.pattern, names)
        return pl.concat([quick.filter(is_matched), slow]).sort("number").with_columns(matched=is_matched)

    def why_not(self, line: str) -> str:
        """See Layout."""
        if not line.strip():
            return "an empty line"
        for pattern, reason in self.hints:
            if pattern.search(line):
                return reason
        return self.template.why_not(line)

    def other_kind(self, line: str) -> str | None:
        """See Layout."""
        return self.kinds(line)


def _extracted(frame: pl.DataFrame, pattern: str, names: list[str]) -> pl.DataFrame:
    found = pl.col("line").str.extract_groups(pattern).struct.rename_fields(names).alias("groups")
    return frame.lazy().with_columns(found).unnest("groups").collect()


@dataclass(frozen=True)
class NamedLayout:
    """Lines of named values: JSON objects, or logfmt.

    candidates: fields that a line may have. requires: keys without which a line is not of this program. found: the
    fields that the first lines have. keys: the names of all values of the first lines.
    """

    name: str
    reader: Named
    candidates: tuple[Field, ...]
    requires: tuple[str, ...] = ()
    found: tuple[Field, ...] | None = None
    keys: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields that the log has."""
        return self.candidates if self.found is None else self.found

    def prepared(self, lines: Sequence[str], wanted: Iterable[str]) -> NamedLayout:
        """Keep the fields that the lines have, and add those that are wanted by their name."""
        rows = [row for line in lines if (row := self.reader.row(line)) is not None]
        keys = Counter(key for row in rows for key in keys_of(row))
        have = [one for one in self.candidates if not rows or one.rank >= OVERRIDE or self.reader.has(rows, one)]
        known = {name for field in have for name in (field.name, *field.aliases)}
        more = [Field(name, name) for name in wanted if name and name not in known]
        reader = self.reader.prepared(rows, [field.name for field in (*have, *more)])
        return replace(self, reader=reader, found=(*have, *more), keys=tuple(keys))

    def named(self) -> list[Field]:
        """The fields that a person named, but for those that a line may well lack."""
        return [one for one in self.fields if one.rank >= OVERRIDE and one.meaning in _NEEDED]

    def split(self, frame: pl.DataFrame) -> pl.DataFrame:
        """See Layout."""
        return self.reader.split(frame, [field.name for field in self.fields], self.requires)

    def why_not(self, line: str) -> str:
        """See Layout."""
        return self.reader.why_not(line, self.requires)

    def other_kind(self, line: str) -> str | None:
        """See Layout."""
        return self.reader.other_kind(line)


def with_meanings(template: Template, named: Sequence[Field], *, all_of_them: bool = True) -> Template:
    """Return a template whose fields mean what a person says.

    Raises: UsageError for a field that it does not have, unless not all of them are needed.
    """
    fields = list(template.fields)
    for override in named:
        at = next((index for index, one in enumerate(fields) if one.answers_to(override.name)), None)
        if at is None and not all_of_them:
            continue
        if at is None:
            names = ", ".join(sorted({one.name for one in fields}))
            raise UsageError(f"--field: a line has no field {override.name!r}: it has {names}")
        kind = override.kind if override.kind not in {"?", "auto"} else (fields[at].kind or override.kind)
        known = replace(fields[at], meaning=override.meaning, rank=override.rank, kind=kind)
        fields[at] = replace(known, assumed="", pattern=override.pattern)
    return replace(template, fields=tuple(fields))


@dataclass
class W3CLayout:
    """Lines of a W3C extended log, as of IIS and CloudFront; a `#Fields:` line names the fields of those behind it.

    named: fields that a person named, for headers with other names.
    """

    name: str = "iis"
    named: tuple[Field, ...] = ()
    template: Template | None = None
    header: str = ""
    made: dict[str, Template] = field(default_factory=dict)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of the latest header."""
        return self.template.fields if self.template else ()

    def prepared(self, lines: Sequence[str], wanted: Iterable[str]) -> W3CLayout:
        """Read the header. A new layout, since one log's header says nothing about the next log."""
        del wanted
        begun = W3CLayout(self.name, self.named)
        for line in lines:
            if line.startswith("#Fields:"):
                begun._begin(line)
                break
        return begun

    def _begin(self, line: str) -> None:
        header = line.removeprefix("#Fields:").strip()
        if header != self.header:
            self.header = header
            if header not in self.made:
                # a later header may lack a field: its lines have no such value
                template = compiled(w3c_tokens(header))
                self.made[header] = with_meanings(template, self.named, all_of_them=not self.made)
            self.template = self.made[header]

    def split(self, frame: pl.DataFrame) -> pl.DataFrame:
        """See Layout. Raises: nothing; lines before any header do not match."""
        if self.template is None:
            return frame.with_columns(matched=pl.lit(value=False))
        names = columns(len(self.fields))
        is_header = frame["line"].str.starts_with("#Fields:")
        starts = [0, *is_header.arg_true().to_list(), len(frame)]
        wanted, parts = self.fields, []
        for begin, end in pairwise(starts):
            if begin == end:
                continue
            part = frame.slice(begin, end - begin)
            if part["line"][0].startswith("#Fields:"):
                self._begin(part["line"][0])
            inner = _extracted(part, self.template.pattern, [f"x{name}" for name in columns(len(self.template.fields))])
            have = {found.name: f"xg{index}" for index, found in enumerate(self.template.fields)}
            picked = [
                (pl.col(have[want.name]) if want.name in have else pl.lit(None, pl.String)).alias(name)
                for name, want in zip(names, wanted, strict=True)
            ]
            parts.append(inner.select(*frame.columns, *picked))
        self.template = next((made for made in self.made.values() if made.fields == wanted), self.template)
        return pl.concat(parts).with_columns(matched=pl.any_horizontal(pl.col(names).is_not_null()))

    def why_not(self, line: str) -> str:
        """See Layout."""
        if self.template is None:
            return "no #Fields line stands before it"
        return "an empty line" if not line.strip() else self.template.why_not(line)

    def other_kind(self, line: str) -> str | None:
        """See Layout."""
        return "comment lines" if line.startswith("#") else None


_W3C = {
    "date": Field("date", "date", "time", 3, "utc:%Y-%m-%d"),
    "time": Field("time", "time", "time", 3, "utc:%H:%M:%S"),
    "cs-method": Field("method", "cs-method", "method", 3),
    "cs-uri-stem": Field("path", "cs-uri-stem", "path", 3),
    "sc-status": Field("status", "sc-status", "status", 3),
    "time-taken": Field("time-taken", "time-taken", "duration", 3, "ms_or_s"),
    "s-computername": Field("host", "s-computername", "host", 2),
    "s-ip": Field("s-ip", "s-ip", "host", 1),
    "c-ip": Field("client", "c-ip"),
}


def w3c_tokens(header: str) -> list[str | Value]:
    """Return the values of a #Fields line. Where tabs separate the names, values may hold blanks."""
    tokens: list[str | Value] = []
    value, between = (r"([^\t]*)", r"\t") if "\t" in header else (r"([^ \t]+)", r"[ \t]")
    for name in header.split():
        known = _W3C.get(name.lower(), Field(name, name))
        tokens += [Value(name, (known,), body=value), Value("a tab or blank", (), body=between)]
    return tokens[:-1]
