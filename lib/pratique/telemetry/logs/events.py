"""From the texts of a line's fields to events: one reading for every format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from pratique.errors import DataError, UsageError
from pratique.telemetry.logs import durations, meaning_columns, times
from pratique.telemetry.logs.fields import IN_TEXT, MEANINGS, MS_IN, OVERRIDE, UNIT_WORDS, Field, best, several

MAX_TEXT = 200
"""Longest revision in characters."""
_UPSTREAMS = ("upstream_status", "upstream_addr", "upstream_response_time")
_REQUEST = r'^"?([A-Za-z]+) ([^ "]+)'


@dataclass(frozen=True)
class RevisionSource:
    """Where the revision of a line comes from: one for all lines, or a field with a regular expression for a part of it."""

    revision: str | None = None
    field: str = ""
    pattern: str | None = None

    @classmethod
    def of(cls, revision: str | None, revision_from: str | None) -> RevisionSource:
        """Return the source that --revision or --revision-from tells. Raises: UsageError."""
        if revision is not None and revision_from is not None:
            raise UsageError("--revision and --revision-from are both given: give only one of them")
        if revision is not None:
            if not (0 < len(revision) <= MAX_TEXT and revision.isprintable()):
                raise UsageError(
                    f"--revision {revision[:80]!r} is not a revision name: use printable characters, at most {MAX_TEXT}"
                )
            return cls(revision)
        if revision_from is None:
            return cls()
        if revision_from.startswith(("%", "$")):
            name, pattern = _directive(revision_from)
        else:
            name, _, pattern = revision_from.partition(":")
        if pattern:
            check_pattern(pattern)
        return cls(None, name, pattern or None)


def _directive(text: str) -> tuple[str, str]:
    """A field as the format writes it, which may hold a colon: %REQ(:PATH)%, %{X-Revision}o."""
    found = re.match(r"(%[A-Z_]+(?:\([^)]*\))?%|%[^:]*(?:\{[^}]*\})?[^:]*|\$[^:]*)(?::(.*))?$", text, re.DOTALL)
    return (found[1], found[2] or "") if found else (text, "")


def check_pattern(pattern: str, option: str = "--revision-from") -> None:
    """Check that a text is an expression with a group. Raises: UsageError."""
    try:
        groups = re.compile(pattern).groups
        pl.Series([""]).str.extract(pattern, 1)
    except (re.error, pl.exceptions.PolarsError) as error:
        raise UsageError(f"{option}: {pattern!r} is not a regular expression: {error}") from error
    if groups == 0:
        what = "revision" if option == "--revision-from" else "value"
        raise UsageError(f"{option}: {pattern!r} has no group: put the part with the {what} in parentheses")


class Events:
    """Read events from the texts of fields, columns g0, g1, … in the order of the fields."""

    def __init__(
        self, fields: Sequence[Field], source: RevisionSource, *, service: str, host: str, zone: str, has_header: bool
    ) -> None:
        """host: where the line tells none. zone: of local times. has_header: whether lines have a time in front.

        Raises: UsageError when a field that every event needs is missing.
        """
        self._service = service
        self._host = host
        self._zone = zone
        self.fields = list(fields)
        self._column = {id(field): f"g{index}" for index, field in enumerate(self.fields)}
        self.source = source
        request = best(self.fields, "request")
        self._request = request
        if request is not None:
            for name, rank in (("method", 1), ("path", request.rank)):
                made = replace(request, name=name, meaning=name, rank=rank)
                self.fields.append(made)
                self._column[id(made)] = f"request_{name}"
        self.revision_field = self._revision_field()
        self.time = best(self.fields, "time")
        self.duration = best(self.fields, "duration")
        self.timers = {name: best(self.fields, name) for name in ("t_total", "t_request", "t_response")}
        self._parts = several(self.fields, "duration_part")
        self.needs_header = has_header and (self.time is None or not times.has_zone(self.time.kind))
        if self.time is None and not has_header:
            raise UsageError(
                "the lines have no time: name it with --log-format ($time_local, %t, %tr or %START_TIME%) or --field time=NAME"
            )

    def _revision_field(self) -> Field | None:
        name = self.source.field
        if self.source.revision is not None:
            return None
        if not name:
            found = best(self.fields, "revision")
            if found is None:
                raise UsageError(
                    "the revision of the lines is unknown: give --revision R or --revision-from FIELD[:REGEX]; "
                    f"the fields are {', '.join(self.names())}"
                )
            return found
        for found in self.fields:
            if found.answers_to(name):
                return found
        raise UsageError(f"--revision-from: a line has no field {name!r}: it has {', '.join(self.names())}")

    def names(self) -> list[str]:
        """The names of the fields."""
        return sorted({field.name for field in self.fields})

    def _text(self, field: Field | None, default: str | None = None) -> pl.Expr:
        if field is None:
            return pl.lit(default, pl.String)
        text = pl.col(self._column[id(field)])
        return text.str.extract(field.pattern, 1) if field.pattern else text

    def read(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add the columns of events to a frame with the texts; null where a line tells no valid value."""
        if self._request is not None:
            text = self._text(self._request)
            frame = frame.with_columns(
                request_method=text.str.extract(_REQUEST, 1), request_path=text.str.extract(_REQUEST, 2)
            )
        took = self._durations(frame)
        frame = frame.with_columns(zone_name=self._zone_names())
        frame = frame.with_columns(took_ms=took)
        path = frame.select(self._text(best(self.fields, "path")).alias("path"))["path"]
        return (
            frame.lazy()
            .with_columns(
                time_ms=self._times(has_names=bool(frame["zone_name"].count())),
                code=self._codes(),
                duration_ms=pl.when(pl.col("took_ms") >= 0).then("took_ms"),
                unread_duration=self._unread_durations(),
                action=self._actions(),
                host=self._hosts(),
                method=self._text(best(self.fields, "method")).fill_null(""),
                path=meaning_columns.target_path_column(path).fill_null(""),
                revision=self._revisions(),
                failed_attempts=self._failed_attempts(),
                other_service=self._other_service(),
                empty=self._empty(),
            )
            .collect()
        )

    def _empty(self) -> pl.Expr:
        """Whether a line has nothing of a request: neither a status nor a path, a method, an action or a duration."""
        told = [self._text(best(self.fields, name)) for name in ("status", "path", "method", "duration")]
        return pl.all_horizontal(text.is_null() for text in (*told, self._actions()))

    def _durations(self, frame: pl.DataFrame) -> pl.Series:
        total = self.timers["t_total"]
        if total is not None and self.duration is None:
            request, response = (
                self._text(self.timers[name], default) for name, default in (("t_request", "0"), ("t_response", "0"))
            )
            return frame.select(meaning_columns.active_ms_column(self._text(total), request, response).alias("took"))[
                "took"
            ]
        fields = [self.duration] if self.duration is not None else self._parts
        if not fields:
            return pl.Series("took", [None], dtype=pl.Float64).extend_constant(None, len(frame) - 1)
        parts = [durations.duration_ms_column(frame[self._column[id(field)]], field.kind) for field in fields]
        if len(parts) == 1:
            return parts[0]
        # -1 of one part: the request did not get so far
        named = pl.DataFrame({f"p{index}": part for index, part in enumerate(parts)})
        reached = pl.all_horizontal(pl.all() >= 0)
        return named.select(pl.when(reached).then(pl.sum_horizontal(pl.all())).alias("took"))["took"]

    def _unread_durations(self) -> pl.Expr:
        """Texts in the place of the duration of which none was read."""
        if self.duration is None:
            return pl.lit(None, pl.String)
        return durations.unread_column(pl.col(self._column[id(self.duration)]), pl.col("took_ms"))

    def _zone_names(self) -> pl.Expr:
        if self.time is None or self.time.kind == "local" or times.has_zone(self.time.kind):
            return pl.lit(None, pl.String)
        parts = self._time_parts()
        if parts:
            return times.zone_name_of_parts([(self._text(field), field) for field in parts])
        return times.zone_name(self._text(self.time).cast(pl.String))

    def _times(self, *, has_names: bool) -> pl.Expr:
        header = pl.col("header") if self.needs_header else None
        if self.time is None:
            instant, local = times.read(pl.col("header"), "iso")
            return pl.coalesce(instant, times.in_zone(local, self._zone))
        parts = self._time_parts()
        if parts:
            instant, local = times.read_parts([(self._text(field), field) for field in parts])
        else:
            instant, local = times.read(self._text(self.time), self.time.kind or "auto")
        fraction = best(self.fields, "time_fraction")
        if fraction is not None and not self.time.kind.startswith(("epoch", "haproxy")):
            ms = (self._text(fraction).cast(pl.Float64, strict=False).fill_null(0.0) * MS_IN[fraction.kind]).cast(
                pl.Int64
            )
            instant, local = instant + ms, local + ms
        if times.has_zone(self.time.kind):
            return instant
        took = (
            pl.max_horizontal(pl.col("took_ms").fill_null(0.0), pl.lit(0.0)).cast(pl.Int64, strict=False).fill_null(0)
        )
        total = self.timers["t_total"]
        if total is not None:
            took = self._text(total).str.strip_prefix("+").cast(pl.Int64, strict=False).fill_null(0).clip(0)
        if header is not None:
            in_zone = times.by_header(local, took, header, self._zone)
        elif has_names:
            in_zone = times.by_name(local, self._zone, pl.col("zone_name"))
        else:
            in_zone = times.in_zone(local, self._zone)
        return pl.coalesce(instant, in_zone)

    def local_times(self, frame: pl.DataFrame) -> pl.Series:
        """The times of lines that tell no zone, as they stand there, in ms; null for others."""
        parts = self._time_parts()
        if self.time is None:
            local = times.read(pl.col("header"), "iso")[1]
        elif parts:
            local = times.read_parts([(self._text(field), field) for field in parts])[1]
        else:
            local = times.read(self._text(self.time), self.time.kind or "auto")[1]
        return frame.with_columns(local=local)["local"]

    def sources(self) -> dict[str, str]:
        """Return the sources of time, status and path for a message, "" where a line has none."""
        found = {"time": self.time, "status": best(self.fields, "status"), "path": best(self.fields, "path")}
        return {name: "" if field is None else f" ({field.source})" for name, field in found.items()}

    def _time_parts(self) -> list[Field]:
        is_part = self.time is not None and self.time.kind.startswith(("strftime:", "utc:"))
        return [field for field in several(self.fields, "time") if ":" in field.kind] if is_part else []

    def _codes(self) -> pl.Expr:
        field = best(self.fields, "status")
        text = self._text(field)
        if field is not None and field.upstreams:
            text = meaning_columns.last_of_list_column(text)
        code = text.cast(pl.Int64, strict=False)
        # JSON may hold 200.0, but 200.9 is not a code
        number = text.cast(pl.Float64, strict=False)
        code = pl.coalesce(code, pl.when(number == number.floor()).then(number.cast(pl.Int64, strict=False)))
        state = best(self.fields, "state")
        return code if state is None else meaning_columns.answer_code_column(code, self._text(state).fill_null(""))

    def _actions(self) -> pl.Expr:
        """The action that a person named, or that stands where a path would: elsewhere it is a word of a framework's own."""
        field, path = best(self.fields, "action"), best(self.fields, "path")
        text = self._text(field)
        if field is None or path is None or field.rank >= OVERRIDE:
            return text
        return pl.when(self._text(path).is_null()).then(text)

    def _hosts(self) -> pl.Expr:
        field = best(self.fields, "host")
        if field is None:
            return pl.lit(self._host)
        text = self._text(field)
        return pl.when(text.is_in(["", "-"])).then(None).otherwise(text).fill_null(self._host)

    def _revisions(self) -> pl.Expr:
        if self.source.revision is not None:
            return pl.lit(self.source.revision)
        text = self._text(self.revision_field)
        if self.revision_field is not None and self.revision_field.upstreams:
            text = meaning_columns.last_of_list_column(text)
        named = pl.when(meaning_columns.is_no_name_column(text)).then(None).otherwise(text)
        if self.source.pattern:
            named = named.str.extract(self.source.pattern, 1)
        return pl.when(meaning_columns.is_no_name_column(named)).then(None).otherwise(named)

    def attempts_field(self) -> Field | None:
        """The field that tells failed attempts, if any."""
        for meaning_of in ("retries", "attempts"):
            found = best(self.fields, meaning_of)
            if found is not None:
                return found
        names = {field.name: field for field in self.fields if field.upstreams}
        return next((names[name] for name in _UPSTREAMS if name in names), None)

    def _failed_attempts(self) -> pl.Expr:
        field = self.attempts_field()
        if field is None:
            return pl.lit(0, pl.Int64)
        text = self._text(field)
        if field.meaning == "retries":
            return text.str.strip_prefix("+").cast(pl.Int64, strict=False).fill_null(0).clip(0)
        if field.meaning == "attempts":
            return (text.cast(pl.Int64, strict=False).fill_null(1) - 1).clip(0)
        return meaning_columns.failed_attempts_column(text).fill_null(0).cast(pl.Int64)

    def _other_service(self) -> pl.Expr:
        field = best(self.fields, "service")
        return pl.lit(value=False) if field is None else (self._text(field) != self._service).fill_null(value=False)

    def calibrated(self, frame: pl.DataFrame) -> None:
        """Decide the unit of a duration that its format leaves open, by the texts and by another duration beside it.

        Raises: DataError when a person named the duration and nothing tells its unit.
        """
        if self.duration is None:
            return
        texts = frame[self._column[id(self.duration)]].drop_nulls()
        if self.duration.kind == "?":
            self._settle(replace(self.duration, kind=_told_unit(self.duration.name, texts)))
            return
        if self.duration.kind == "ms_or_s":
            unit = "s" if texts.str.contains(".", literal=True).any() else "ms"
            self._settle(replace(self.duration, kind=unit))
            return
        others = [field for field in several_of(self.fields, "duration") if field is not self.duration]
        if not self.duration.assumed or not others:
            return
        pair = frame.select(
            fine=self._text(self.duration).cast(pl.Float64, strict=False),
            coarse=meaning_seconds(self._text(others[0]), others[0].kind),
            exact=self._text(others[0]).str.contains(".", literal=True),
        ).drop_nulls()
        for unit in ("us", "ms"):
            seconds = pl.col("fine") * MS_IN[unit] / 1000.0
            fits = (seconds - pl.col("coarse")).abs() < pl.when(pl.col("exact")).then(0.002).otherwise(1.0)
            if len(pair) and pair.select(fits.all()).item() and pair["fine"].max() != 0:
                self._settle(replace(self.duration, kind=unit, assumed=""))
                return

    def _settle(self, duration: Field) -> None:
        assert self.duration is not None  # noqa: S101 - the callers check
        self._column[id(duration)] = self._column[id(self.duration)]
        self.fields = [duration if field is self.duration else field for field in self.fields]
        self.duration = duration

    def taken(self, sample: pl.DataFrame) -> list[str]:
        """Say which value is read from which field. sample: the texts of some lines."""
        shown = {name: best(self.fields, name) for name in ("status", "path", "action")}
        if shown["path"] is not None and shown["action"] is not None and shown["action"].rank < OVERRIDE:
            shown["action"] = None
        # an action is looked for whether or not the lines have one
        if shown["path"] is not None and shown["action"] is not None and not self._has_text(shown["action"], sample):
            shown["action"] = None
        time = ["time from " + ("the header in front of each line" if self.time is None else self._time_text())]
        text = time + [f"{MEANINGS[name]} from {field.source}" for name, field in shown.items() if field is not None]
        if self.timers["t_total"] is not None and self.duration is None:
            began = self.timers["t_request"]
            less = f" less {began.source}" if began is not None else ""
            text.append(f"duration from {self.timers['t_total'].source}{less} (milliseconds)")
        elif self.duration is not None:
            text.append(f"duration from {self.duration.source} ({UNIT_WORDS.get(self.duration.kind, '')})")
        elif self._parts:
            sources = " + ".join(field.source for field in self._parts)
            text.append(f"duration from {sources} ({UNIT_WORDS[self._parts[0].kind]})")
        else:
            text.append("no duration")
        if self.revision_field is not None:
            text.append(f"revision from {self.revision_field.source}")
        return text

    def _has_text(self, field: Field, sample: pl.DataFrame) -> bool:
        name = self._column[id(field)]
        return name in sample.columns and sample[name].null_count() < len(sample)

    def _time_text(self) -> str:
        assert self.time is not None  # noqa: S101 - the caller checks
        return " ".join(field.source for field in self._time_parts()) or self.time.source

    @property
    def zone(self) -> str:
        """The zone of times that tell none."""
        return self._zone

    @property
    def is_local(self) -> bool:
        """Whether times may lack a zone."""
        return self.time is None or not times.has_zone(self.time.kind)


def _told_unit(name: str, texts: pl.Series) -> str:
    """Any unit where each text tells its own, as 12ms does."""
    if durations.tell_their_unit(texts):
        return IN_TEXT
    raise DataError(f"the unit of the duration {name!r} is not known: give --field duration={name}:s (or ms, us, ns)")


def several_of(fields: Sequence[Field], name: str) -> list[Field]:
    """All fields of a meaning, whatever their rank."""
    return [field for field in fields if field.meaning == name]


def meaning_seconds(text: pl.Expr, unit: str) -> pl.Expr:
    """A duration as seconds."""
    return text.cast(pl.Float64, strict=False) * MS_IN[unit] / 1000.0
