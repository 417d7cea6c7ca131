"""Parse log lines to requests, a block at a time, with a reason for each line that is rejected."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from pratique.clock import utc_now
from pratique.config import FieldNames
from pratique.errors import UsageError
from pratique.telemetry.buckets import LONGEST_MS
from pratique.telemetry.formats import COMBINED, HAPROXY, Format, declared, why_not

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)
"""A line must not be further ahead of the clock than this."""
MAX_TEXT = 200
"""Longest revision in characters."""
MAX_SHOWN = 4000
"""Characters of a rejected line that are looked at and kept."""
OTHER_SERVICE = "another service"
CONTROL = r"[\p{C}\p{Zl}\p{Zp}]"
CLOCKS = {
    "clf": "%d/%b/%Y:%H:%M:%S %z",
    "haproxy": "%d/%b/%Y:%H:%M:%S%.f",
}
COLUMNS = ("time_ms", "method", "path", "action", "code", "duration_ms", "host", "revision")


@dataclass(frozen=True)
class Parsed:
    """The parsed lines of a block.

    events: one row for each request, columns COLUMNS. rejects: (line number, reason, line) of rejected lines.
    ignored, without_revision, other_services: numbers of other lines that are not events. lines: number of all lines.
    """

    events: pl.DataFrame
    rejects: list[tuple[int, str, str]]
    ignored: int
    without_revision: int
    other_services: int
    lines: int


class Parser:
    """Parse lines of one format for one service."""

    def __init__(
        self,
        fmt: str,
        *,
        service: str,
        fields: FieldNames,
        ignore_paths: tuple[str, ...],
        default_host: str,
        revision: str | None,
        revision_from: str | None,
        log_format: str | None,
    ) -> None:
        """revision, revision_from: exactly one of them, or neither for jsonl lines that name their revision.

        Raises: UsageError (neither or both, an unknown field, a pattern without a group, a wrong log format).
        """
        self._fmt = fmt
        self._service = service
        self._names = fields
        self._ignore = list(ignore_paths)
        self._default_host = default_host
        self._format = None if fmt == "jsonl" else _format(fmt, log_format)
        self._revision = revision
        self._field, self._pattern = _revision_source(fmt, self._format, revision, revision_from)

    def parse(self, block: bytes, first_number: int) -> Parsed:
        """Parse a block of complete lines, whatever they hold. first_number: number of its first line, from 1."""
        text = block.decode("utf-8", "replace")
        lines = text.removesuffix("\n").split("\n")
        frame = pl.DataFrame({"line": lines}).with_row_index("number", offset=first_number)
        read = self._read_json(frame) if self._format is None else self._read_pattern(frame, self._format)
        read = self._with_revision(read).with_columns(
            duration_ms=pl.when(pl.col("duration_ms").is_between(0, LONGEST_MS, closed="left")).then("duration_ms")
        )
        latest = int((utc_now() + AHEAD).timestamp() * 1000)
        earliest = int(EARLIEST.timestamp() * 1000)
        reason = (
            pl.when(~pl.col("matched"))
            .then(pl.lit("format"))
            .when(pl.col("problem").is_not_null())
            .then(pl.col("problem"))
            .when(pl.col("time_ms").is_null())
            .then(pl.lit("its time cannot be read"))
            .when((pl.col("time_ms") < earliest) | (pl.col("time_ms") > latest))
            .then(pl.lit("its time is before 2000 or more than a day ahead"))
            .when(~pl.col("code").is_between(0, 999) | pl.col("code").is_null())
            .then(pl.lit("its status is not a status code"))
            .when(pl.col("path").is_in(self._ignore))
            .then(pl.lit("ignored"))
            .when(pl.col("revision").is_null())
            .then(pl.lit("no revision"))
            .when(pl.col("revision").str.len_chars() > MAX_TEXT)
            .then(pl.lit("its revision is longer than 200 characters"))
            .when(pl.any_horizontal(pl.col("revision", "host", "action").str.contains(CONTROL)))
            .then(pl.lit("a control character in its revision, host or action"))
            .otherwise(None)
        )
        judged = read.with_columns(reason=reason)
        return self._parsed(judged, len(lines))

    def _parsed(self, judged: pl.DataFrame, lines: int) -> Parsed:
        bad = judged.filter(pl.col("reason").is_not_null())
        counts = dict(bad.group_by("reason").len().iter_rows()) if len(bad) else {}
        rejects = [
            (number, why_not(self._fmt, line[:MAX_SHOWN]) if reason == "format" else reason, line[:MAX_SHOWN])
            for number, reason, line in bad.select("number", "reason", "line").iter_rows()
            if reason not in {"ignored", "no revision", OTHER_SERVICE}
        ]
        events = judged.filter(pl.col("reason").is_null()).select(*COLUMNS)
        ignored, without_revision, elsewhere = (counts.get(key, 0) for key in ("ignored", "no revision", OTHER_SERVICE))
        return Parsed(events, rejects, ignored, without_revision, elsewhere, lines)

    def _read_pattern(self, frame: pl.DataFrame, form: Format) -> pl.DataFrame:
        groups = [f"g{index}" for index in range(len(form.fields))]
        read = _matched(frame, form, groups).lazy()
        first = {name: f"g{index}" for index, name in reversed(list(enumerate(form.fields)))}
        read = read.with_columns(
            matched=pl.any_horizontal(pl.col(groups).is_not_null()),
            **{name: pl.col(group) for name, group in first.items()},
        )
        for name in ("method", "path", "host", "server"):
            if name not in first:
                read = read.with_columns(pl.lit(None, pl.String).alias(name))
        return read.with_columns(
            time_ms=_time(form),
            code=pl.col("status").cast(pl.Int64, strict=False),
            duration_ms=_haproxy_duration() if self._fmt == "haproxy" else _duration(form),
            action=pl.lit(None, pl.String),
            problem=pl.lit(None, pl.String),
            host=pl.coalesce("server", "host", pl.lit(self._default_host)),
            method=pl.col("method").fill_null(""),
            path=pl.col("path").str.extract(r"^([^?]*)").fill_null(""),
        ).collect()

    def _read_json(self, frame: pl.DataFrame) -> pl.DataFrame:
        rows = [self._json(line) for line in frame["line"]]
        kinds = {"time_ms": pl.Int64, "code": pl.Int64, "duration_ms": pl.Float64, "matched": pl.Boolean}
        names = [*COLUMNS[:-1], "revision_field", "matched", "problem"]
        columns = {name: pl.Series(name, [row.get(name) for row in rows], kinds.get(name, pl.String)) for name in names}
        read = frame.with_columns(**columns)
        return read.with_columns(
            host=pl.col("host").fill_null(self._default_host),
            method=pl.col("method").fill_null(""),
            path=pl.col("path").str.extract(r"^([^?]*)").fill_null(""),
        )

    def _json(self, line: str) -> dict[str, Any]:
        names = self._names
        try:
            body = json.loads(line)
            found = {name: _nested(body, getattr(names, name)) for name in FieldNames.model_fields}
            if found["service"] is not None and str(found["service"]) != self._service:
                return {"matched": True, "problem": OTHER_SERVICE}
            duration = _number("duration", found["duration_ms"])
            row = {
                "matched": True,
                "time_ms": _epoch_ms(found["time"]),
                "code": _integer(found["code"]),
                "duration_ms": duration,
                "revision_field": _text("revision", _nested(body, self._field) if self._field else found["revision"]),
            }
            if found["action"] is None and found["path"] is None:
                return {"matched": False}
            return row | {name: _text(name, found[name]) for name in ("method", "path", "action", "host")}
        except _WrongTypeError as error:
            return {"matched": True, "problem": str(error)}
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return {"matched": False}

    def _with_revision(self, read: pl.DataFrame) -> pl.DataFrame:
        if self._revision is not None:
            return read.with_columns(revision=pl.lit(self._revision))
        source = pl.col("revision_field" if self._format is None else self._field)
        if self._pattern:
            source = source.str.extract(self._pattern, 1)
        nothing = source.is_in(["", "-", "<NOSRV>"])
        return read.with_columns(revision=pl.when(nothing).then(None).otherwise(source))


def _matched(frame: pl.DataFrame, form: Format, groups: list[str]) -> pl.DataFrame:
    """The lines with their groups, in order."""

    def extracted(lines: pl.DataFrame, pattern: str) -> pl.DataFrame:
        found = pl.col("line").str.extract_groups(pattern).struct.rename_fields(groups).alias("groups")
        return lines.lazy().with_columns(found).unnest("groups").collect()

    quick = extracted(frame, form.quick)
    is_matched = pl.any_horizontal(pl.col(groups).is_not_null())
    if quick.select(is_matched.all()).item():
        return quick
    slow = extracted(quick.filter(~is_matched).select("number", "line"), form.pattern)
    return pl.concat([quick.filter(is_matched), slow]).sort("number")


def _format(fmt: str, log_format: str | None) -> Format:
    if log_format is not None and fmt != "combined":
        raise UsageError(f"--log-format is for --format combined, not for {fmt}")
    if log_format is not None:
        return declared(log_format)
    return HAPROXY if fmt == "haproxy" else COMBINED


def _revision_source(
    fmt: str, form: Format | None, revision: str | None, revision_from: str | None
) -> tuple[str, str | None]:
    if revision is not None and revision_from is not None:
        raise UsageError("--revision and --revision-from are both given: give only one of them")
    if revision is not None and not (0 < len(revision) <= MAX_TEXT and revision.isprintable()):
        raise UsageError(
            f"--revision {revision[:80]!r} is not a revision name: use printable characters, at most {MAX_TEXT}"
        )
    if revision is not None or (fmt == "jsonl" and revision_from is None):
        return "", None
    if revision_from is None:
        raise UsageError("the revision of the lines is unknown: give --revision R or --revision-from FIELD[:REGEX]")
    name, _, pattern = revision_from.partition(":")
    if form is not None and name not in form.fields:
        raise UsageError(
            f"--revision-from: a {fmt} line has no field {name!r}: it has {', '.join(sorted(set(form.fields)))}"
        )
    if pattern:
        try:
            groups = re.compile(pattern).groups
            pl.Series([""]).str.extract(pattern, 1)
        except (re.error, pl.exceptions.PolarsError) as error:
            raise UsageError(f"--revision-from: {pattern!r} is not a regular expression: {error}") from error
        if groups == 0:
            raise UsageError(
                f"--revision-from: {pattern!r} has no group: put the part with the revision in parentheses"
            )
    return name, pattern or None


def _time(form: Format) -> pl.Expr:
    time = pl.col("time")
    if form.time == "epoch_s":
        return (time.cast(pl.Float64, strict=False) * 1000.0).round().cast(pl.Int64, strict=False)
    if form.time == "iso":
        parsed = time.str.to_datetime("%Y-%m-%dT%H:%M:%S%z", strict=False, time_unit="ms")
    else:
        zone = None if form.time == "clf" else "UTC"
        parsed = time.str.to_datetime(CLOCKS[form.time], strict=False, time_unit="ms", time_zone=zone)
    return parsed.dt.epoch("ms")


def _duration(form: Format) -> pl.Expr:
    for name, unit in form.units.items():
        # nginx's upstream times may list several servers, so the first declared duration field is used
        return pl.col(name).cast(pl.Float64, strict=False) * unit
    return pl.lit(None, pl.Float64)


def _haproxy_duration() -> pl.Expr:
    """Time from the complete request to the end of the answer; null for a timer of -1 or an unfinished request ("+")."""
    request, response, total = (
        pl.col(name).cast(pl.Int64, strict=False) for name in ("t_request", "t_response", "t_total")
    )
    known = (response >= 0) & (total >= 0) & ~pl.col("t_total").str.starts_with("+")
    value = (total - pl.max_horizontal(request, pl.lit(0))).cast(pl.Float64)
    return pl.when(known).then(pl.max_horizontal(value, pl.lit(0.0))).otherwise(None)


def _nested(body: Any, name: str) -> Any:
    """Return a value by its name, or by a dotted path into nested objects."""
    if name in body:
        return body[name]
    for part in name.split("."):
        if not isinstance(body, dict) or part not in body:
            return None
        body = body[part]
    return body


class _WrongTypeError(Exception):
    """A JSON value whose type cannot be meant, such as a list as the revision."""


def _text(name: str, value: Any) -> str | None:
    if isinstance(value, bool | list | dict):
        raise _WrongTypeError(f"its {name} is not text")
    # JSON may hold single surrogates, which cannot be encoded
    return None if value is None else str(value).encode("utf-8", "replace").decode()


def _number(name: str, value: Any) -> float | None:
    if isinstance(value, bool | list | dict):
        raise _WrongTypeError(f"its {name} is not a number")
    return None if value is None else float(value)


def _integer(value: Any) -> int | None:
    """Return a whole number; None for a value that is none, such as true or 200.9."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        return None
    number = int(value)
    return number if abs(number) < 1 << 62 else None


def _epoch_ms(value: Any) -> int | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return _integer(round(value))
    text = str(value)
    if text.lstrip("-").isdigit():
        return _integer(text)
    time = datetime.fromisoformat(text)
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
