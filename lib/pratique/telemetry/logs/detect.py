"""Which layout a log has: the one given, or the one that reads the most of its first lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from pratique.errors import DataError, UsageError
from pratique.telemetry.logs.declared import declared
from pratique.telemetry.logs.fields import OVERRIDE, UNITS, Field
from pratique.telemetry.logs.layouts import Layout, NamedLayout, TextLayout, W3CLayout, with_meanings
from pratique.telemetry.logs.named import Named
from pratique.telemetry.logs.presets import AUTO, HTTPLOG, PRESETS

_ENOUGH = 200
"""Lines that are tried."""
_UNIT_ENDINGS = {unit: unit for unit in UNITS} | {
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("msec", "msecs", "milli", "millis", "milliseconds"), "ms"),
    **dict.fromkeys(("usec", "usecs", "micro", "micros", "microseconds"), "us"),
    **dict.fromkeys(("nsec", "nsecs", "nano", "nanos", "nanoseconds"), "ns"),
}
"""The unit of a duration by the last word of its name."""


def candidates(fmt: str, log_format: str | None) -> tuple[Layout, ...]:
    """Return the layouts that a format may have. Raises: UsageError for an unknown format."""
    if fmt != "auto" and fmt not in PRESETS:
        raise UsageError(f"format {fmt!r} is unknown: use auto, csv, parquet, {', '.join(PRESETS)}")
    if log_format is not None:
        found = declared(log_format)
        if found.template is None:
            return (NamedLayout(f"{found.program} JSON", Named("json"), found.fields),)
        layout = TextLayout(found.program, found.template)
        return (replace(layout, kinds=HTTPLOG.kinds) if found.program == "HAProxy" else layout,)
    if fmt == "auto":
        return tuple(layout for name in AUTO for layout in PRESETS[name].layouts)
    # who names this format writes lines for it: elsewhere `action` may be a word of a framework's own
    return tuple(map(_with_own_action, PRESETS[fmt].layouts)) if fmt == "jsonl" else PRESETS[fmt].layouts


def _with_own_action(layout: Layout) -> Layout:
    if not isinstance(layout, NamedLayout):
        return layout
    fields = tuple(replace(one, rank=OVERRIDE) if one.meaning == "action" else one for one in layout.candidates)
    return replace(layout, candidates=fields)


def with_names(
    layouts: Sequence[Layout], given: Sequence[Field], configured: Sequence[Field], *, is_open: bool = False
) -> tuple[Layout, ...]:
    """Return the layouts with the fields that a person named; those of the service file are for named values alone.

    is_open: the format is yet to be found, so a program's layout still needs the keys that tell this program.
    Raises: UsageError when no layout has a field that was given.
    """
    found: list[Layout] = []
    refused: UsageError | None = None
    named = {field.meaning for field in given}
    more = [field for field in configured if field.meaning not in named]
    for layout in layouts:
        try:
            found.append(_with(layout, [*given, *more] if isinstance(layout, NamedLayout) else given, is_open=is_open))
        except UsageError as error:
            refused = error
    if refused is not None and not found:
        raise refused
    return tuple(found)


def _with(layout: Layout, overrides: Sequence[Field], *, is_open: bool) -> Layout:
    if not overrides:
        return layout
    if isinstance(layout, NamedLayout):
        named = {field.name for field in overrides}
        rest = tuple(field for field in layout.candidates if field.name not in named)
        known = {field.name: field for field in layout.candidates}
        ours = tuple(replace(field, kind=_unit(field, known.get(field.name))) for field in overrides)
        return replace(layout, candidates=(*ours, *rest), requires=layout.requires if is_open else ())
    named_units = tuple(replace(field, kind=_unit(field, None)) for field in overrides)
    if isinstance(layout, W3CLayout):
        return replace(layout, named=named_units)
    if not isinstance(layout, TextLayout):
        raise UsageError(
            "--field is for text with a format string, JSON, logfmt and W3C: this format names its own fields"
        )
    return replace(layout, template=with_meanings(layout.template, named_units))


def _unit(field: Field, known: Field | None) -> str:
    """The unit of a duration: as given, as known of its name, or as its name ends."""
    if field.kind != "?":
        return field.kind
    if known is not None and known.meaning == "duration":
        return known.kind
    return _UNIT_ENDINGS.get(_words(field.name)[-1], "?")


def _words(name: str) -> list[str]:
    """The words of a name in lower case: total_ns, timeTakenMs, turnAroundTimeMSec."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.split(r"[-_. ]+", split.lower())


def chosen(layouts: Sequence[Layout], lines: Sequence[str], fmt: str) -> tuple[Layout, str]:
    """Return the layout that reads the most lines, the first of equals, and why it was taken; "" where none was open.

    Raises: DataError when --format auto finds none.
    """
    if len(layouts) == 1:
        return layouts[0], ""
    head = lines[:_ENOUGH]
    frame = pl.DataFrame({"line": head}).with_row_index("number", offset=1)
    scores = [_read(layout, head, frame) for layout in layouts]
    top = max(scores)
    own = next((one for one, score in zip(layouts, scores, strict=True) if score == top and one.name == fmt), None)
    layout = own or layouts[scores.index(top)]
    if fmt == "auto" and top == 0:
        unnamed = _of_other_names(layouts, head)
        if unnamed is not None:
            return unnamed, ""
        raise DataError(
            f"no known format fits the first lines, as {head[0][:80]!r}: give --format, or the format string of the server as --log-format; for a program without one, write a line with nginx's names for the values, as '$request_method $request_uri $status $took'"
        )
    second = max(
        ((score, other.name) for score, other in zip(scores, layouts, strict=True) if other.name != layout.name),
        default=(0, ""),
    )
    if own is not None:
        return layout, ""  # the one that a person named
    why = f"taken for {layout.name}: it reads {top} of the first {len(head)} lines"
    return layout, f"{why}, {second[1]} {second[0]}" if second[0] else why


def _of_other_names(layouts: Sequence[Layout], lines: Sequence[str]) -> Layout | None:
    """Return the layout of named values whose lines these are, by whatever names; the caller says which it lacks."""
    line = lines[0].lstrip()
    kind = "json" if line.startswith("{") else "logfmt" if re.match(r"[A-Za-z_@.]+=\S* [A-Za-z_@.]+=", line) else ""
    open_ones = (one for one in layouts if isinstance(one, NamedLayout) and not one.requires)
    return next((one for one in open_ones if one.reader.kind == kind and one.reader.row(line) is not None), None)


def _read(layout: Layout, lines: Sequence[str], frame: pl.DataFrame) -> int:
    """How many lines are requests of the layout, or other lines that belong in it."""
    split = layout.prepared(lines, []).split(frame)
    known = split.select("line", "matched")
    if isinstance(layout, NamedLayout) and split["matched"].any():
        # a JSON object of any kind matches: it must tell a status and a path, action or request
        for group in (("status",), ("path", "request", "action")):
            prepared = layout.prepared(lines, [])
            has = [f"g{i}" for i, field in enumerate(prepared.fields) if field.meaning in group]
            if not has:
                return 0
            split = prepared.split(frame)
            known = known.with_columns(
                matched=known["matched"] & split.select(pl.any_horizontal(pl.col(has).is_not_null())).to_series()
            )
    return sum(1 for line, matched in known.iter_rows() if matched or layout.other_kind(line) is not None)
