"""Parse batches of a table to requests, with the rules for logs and a reason for each row that is rejected."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from pratique.config import FieldNames
from pratique.errors import DataError, UsageError
from pratique.telemetry.logs import detect, durations, presets
from pratique.telemetry.logs.events import Events, RevisionSource
from pratique.telemetry.logs.fields import IN_TEXT, OVERRIDE, Field, best, several
from pratique.telemetry.logs.findings import Findings
from pratique.telemetry.logs.named import listed
from pratique.telemetry.logs.zones import check_zone
from pratique.telemetry.parsed import COLUMNS, MAX_SHOWN, NO_EVENTS, Parsed, sorted_out, with_reasons
from pratique.telemetry.tables import columns, counts

BAD = "bad cell"
"""Column of a batch with the reason why a row cannot be read at all; null for other rows."""
_NUMBERS_OF_REQUESTS = frozenset(
    {"count", "counts", "cnt", "_count", "doc_count", "count()", "count(*)", "count(1)", "count_star()"}
    | {"requests", "request_count", "num_requests", "n_requests", "number_of_requests", "total_requests", "occurrences"}
)
"""Names that grouping gives to the number of rows, in pandas, polars, SQL and search engines."""
_NEEDED = {"time": "time=NAME", "status": "status=NAME"}


@dataclass(frozen=True)
class TableOptions:
    """How a table is read; see `import_files`. window_s: length of the windows of single requests."""

    service: str
    fields: FieldNames
    ignore_paths: tuple[str, ...]
    default_host: str
    revision: str | None
    revision_from: str | None
    timezone: str | None
    field_names: tuple[str, ...]
    window_s: int
    interval_s: int | None = None
    is_ours: bool = True
    """Whether a person named the format: then a column `action` is the action, also beside a path."""


class TableParser:
    """Parse the batches of one table after `begin`."""

    def __init__(self, options: TableOptions, name: str) -> None:
        """name: of the format. Raises: UsageError (both revisions, an unknown zone, field or pattern)."""
        self._options = options
        self.format = name
        self.findings = Findings(zone=options.timezone)
        self.window_s = options.window_s
        self._source = RevisionSource.of(options.revision, options.revision_from)
        self._given = presets.given(options.field_names, presets.OF_TABLES)
        if options.timezone is not None:
            check_zone(options.timezone)
        if options.interval_s is not None and not 1 <= options.interval_s <= counts.LONGEST_S:
            raise UsageError(f"--interval {options.interval_s} is not between 1 and {counts.LONGEST_S} seconds")
        self._fields: list[Field] = []
        self._events: Events | None = None
        self._begun = False

    def begin(self, names: Sequence[str]) -> list[str]:
        """Begin a table: take the names of its columns, and return those that are needed. Raises: DataError, UsageError."""
        self._begun = False
        self._source = RevisionSource.of(self._options.revision, self._options.revision_from)
        layout = detect.with_names((presets.table_layout(),), self._given, presets.configured(self._options.fields))[0]
        found = {}
        for field in layout.fields:
            name = _named(field.name, names)
            if name is not None:
                # who writes a table names the actions; elsewhere it is a word of a framework's own
                is_own = field.meaning == "action" and self._options.is_ours
                rank = OVERRIDE if is_own else field.rank
                found[field.meaning, name] = replace(field, name=name, source=name, rank=rank)
            elif field.rank >= OVERRIDE and field.meaning != "action":
                raise DataError(f"no column {field.name!r}, which is named as the {field.meaning}: {_have(names)}")
        taken = {field.name for field in found.values() if field.rank >= OVERRIDE}
        known = [field for field in found.values() if field.rank >= OVERRIDE or field.name not in taken]
        fields = [field for field in known if _wins(field, known)]
        fields = self._of_counts(fields, names)
        _check({field.meaning for field in fields}, names)
        self._fields = self._with_revision(fields, names)
        repeated = [field.name for field in self._fields if list(names).count(field.name) > 1]
        if repeated:
            raise DataError(f"column {repeated[0]!r} stands twice: rename one of them")
        return list(dict.fromkeys(field.name for field in self._fields))

    def _of_counts(self, fields: list[Field], names: Sequence[str]) -> list[Field]:
        """Counts have no single duration; single requests no sums. Raises: DataError for counts that nobody named as such."""
        if not any(field.meaning == "n" for field in fields):
            _check_single(fields, names)
            return [field for field in fields if field.meaning not in {"duration_sum", "bucket", "count"}]
        alone = [field for field in fields if field.meaning == "duration"]
        if alone and alone[0].rank >= OVERRIDE:
            raise UsageError(
                f"--field duration={alone[0].name}: a row of counts has no single duration; name their sum: --field duration_sum=NAME:UNIT"
            )
        if alone:
            self.findings.warn(
                f"column {alone[0].name!r} is not used: rows of counts (n) have no single duration; name a sum as --field duration_sum=NAME:UNIT"
            )
        return [field for field in fields if field.meaning != "duration"]

    def _with_revision(self, fields: list[Field], names: Sequence[str]) -> list[Field]:
        if self._source.revision is not None:
            return [field for field in fields if field.meaning != "revision"]
        wanted = self._source.field
        if not wanted:
            if not any(field.meaning == "revision" for field in fields):
                raise DataError(
                    f"no column is known as the revision: {_have(names)}; give --field revision=NAME, or --revision R or --revision-from NAME[:REGEX]"
                )
            return fields
        name = _named(wanted, names)
        if name is None:
            raise DataError(f"--revision-from: no column {wanted!r}: {_have(names)}")
        self._source = replace(self._source, field=name)
        return [*fields, Field(name, name)] if all(field.name != name for field in fields) else fields

    def parse(self, batch: pl.DataFrame, first_number: int) -> Parsed:
        """Parse rows. batch: the columns that `begin` returned, and BAD where rows may be bad. first_number: of the first row.

        Raises: DataError for a column whose type, unit or zone is not clear.
        """
        if not len(batch):
            return Parsed(NO_EVENTS, [], 0, 0, 0, 0)
        if not self._begun:
            self._settle(batch)
        frame = self._framed(batch, first_number)
        if not self._begun:
            self._settle_units(frame)
        assert self._events is not None  # noqa: S101 - _settle made it
        # a row of a table is no message between requests
        read = self._counted(self._events.read(frame)).with_columns(empty=pl.lit(value=False))
        if not self._begun:
            self._begin_events(frame, read)
        rows = with_reasons(read, self._events, self._options.ignore_paths, more=self._bad(read))
        self.findings.count_events(rows.filter(pl.col("reason").is_null()))
        more = [name for name in ("n", "sum_ms", "bucket", "count") if name in rows.columns]
        rows = _with_texts(rows, batch)
        if "n" in more:
            # an interval without a request adds nothing
            rows = rows.filter(pl.col("reason").is_not_null() | (pl.col("n") > 0))
        return sorted_out(rows, len(batch), columns=(*COLUMNS, *more), why_not=str, other_kind=_no_kind)

    def sample(self, batch: pl.DataFrame, first_number: int) -> Parsed:
        """Parse the first rows without counting what they tell."""
        kept, self.findings = self.findings, Findings(self._options.timezone)
        try:
            return self.parse(batch, first_number)
        finally:
            self.findings, self._begun = kept, False

    def knows(self, names: Sequence[str]) -> bool:
        """Whether columns of these names can be requests: a time, a status, and a path or action."""
        known = [*presets.table_layout().candidates, *self._given]
        found = {field.meaning for field in known if _named(field.name, names) is not None}
        return {"time", "status"} <= found and bool(found & {"path", "request", "action"})

    def _settle(self, batch: pl.DataFrame) -> None:
        self._fields = [columns.settled(field, batch.schema[field.name]) for field in self._fields]
        self._make_events()

    def _make_events(self) -> None:
        given = self._options
        self._events = Events(
            self._fields,
            self._source,
            service=given.service,
            host=given.default_host,
            zone=given.timezone or "UTC",
            has_header=False,
        )

    def _framed(self, batch: pl.DataFrame, first_number: int) -> pl.DataFrame:
        texts = {f"g{index}": columns.read(batch[field.name], field) for index, field in enumerate(self._fields)}
        bad = batch[BAD] if BAD in batch.columns else pl.repeat(None, len(batch), dtype=pl.String, eager=True)
        frame = pl.DataFrame({**texts, BAD: bad}).with_row_index("number", offset=first_number)
        return frame.with_columns(line=pl.lit(""), matched=pl.lit(value=True))

    def _settle_units(self, frame: pl.DataFrame) -> None:
        """Settle the unit of durations that tell their own (12ms). Raises: DataError for one that is not known."""
        for index, field in enumerate(self._fields):
            if field.kind != "?":
                continue
            values = frame[f"g{index}"].drop_nulls()
            if values.dtype != pl.String or not durations.tell_their_unit(values):
                raise DataError(
                    f"the unit of the {field.meaning.replace('_', ' of ')} {field.name!r} is not known: give --field {field.meaning}={field.name}:s (or ms, us, ns)"
                )
            self._fields[index] = replace(field, kind=IN_TEXT if field.meaning == "duration" else "ms")
        self._make_events()

    def _counted(self, read: pl.DataFrame) -> pl.DataFrame:
        found = {field.meaning: f"g{index}" for index, field in enumerate(self._fields)}
        if "n" not in found:
            return read
        return counts.read(read, found, {one.meaning: one for one in self._fields})

    def _begin_events(self, frame: pl.DataFrame, read: pl.DataFrame) -> None:
        assert self._events is not None  # noqa: S101 - the caller checks
        if self._events.is_local and self._options.timezone is None and self._local(read).any():
            name = self._events.time.name if self._events.time else ""
            raise DataError(
                f"the times of column {name!r} have no zone: give it as --timezone UTC, or the zone of the program that wrote them"
            )
        if "n" in read.columns:
            self._settle_interval(read)
        self.findings.begin(self._events, "", frame.head(1000))
        self._begun = True

    def _settle_interval(self, read: pl.DataFrame) -> None:
        given, usual = self._options.interval_s, self._options.window_s
        interval = given or counts.interval_s(read["time_ms"].drop_nulls(), usual)
        if interval is None:
            self.findings.note(f"all counts have one time: taken as of {usual} s; else give --interval SECONDS")
            interval = usual
        self.window_s = counts.window_of(interval, usual)
        self.findings.note(f"rows count requests (n) of {interval} s, stored in windows of {self.window_s} s")

    def _local(self, read: pl.DataFrame) -> pl.Series:
        """Which rows have a time without a zone."""
        assert self._events is not None  # noqa: S101 - the callers check
        return self._events.local_times(read).is_not_null()

    def _bad(self, read: pl.DataFrame) -> pl.Expr:
        assert self._events is not None  # noqa: S101 - the callers check
        duration = self._events.duration
        reasons = [pl.col(BAD)]
        if self._events.is_local and self._options.timezone is None:
            reasons.append(pl.when(pl.lit(self._local(read))).then(pl.lit("its time has no zone, give --timezone")))
        if duration is not None:
            wrong = pl.col(f"g{self._fields.index(duration)}").is_not_null() & pl.col("took_ms").is_null()
            reasons.append(pl.when(wrong).then(pl.lit(f"its duration ({duration.source}) cannot be read")))
        if "why_no_count" in read.columns:
            reasons.append(pl.col("why_no_count"))
        return pl.coalesce(reasons)


def _check(meanings: set[str], names: Sequence[str]) -> None:
    """Raise for a table that lacks what every request has."""
    for meaning, example in _NEEDED.items():
        if meaning not in meanings:
            raise DataError(
                f"no column is known as the {meaning} of a request: {_have(names)}; name it: --field {example}"
            )
    if not meanings & {"path", "request", "action"}:
        raise DataError(f"no column is known as the path or action: {_have(names)}; name it: --field action=NAME")


def _check_single(fields: Sequence[Field], names: Sequence[str]) -> None:
    """Raise for a table that was grouped: read as single requests, each of its rows would be one."""
    # beside the duration of one request, "bucket" is something else, such as one of S3
    of_counts = [
        field.name
        for field in fields
        if field.meaning == "duration_sum" or (field.meaning == "bucket" and best(fields, "duration") is None)
    ]
    taken = {field.name for field in fields if field.rank >= OVERRIDE}
    looks = [name for name in names if name.lower() in _NUMBERS_OF_REQUESTS and name not in taken]
    if of_counts:
        raise DataError(
            f"column {of_counts[0]!r} is of several requests, and no column is known as their number: {_have(names)}; name it: --field n=NAME"
        )
    if looks:
        raise DataError(
            f"column {looks[0]!r} looks like the number of requests that a row stands for: name it, --field n={looks[0]}; "
            "where each row is one request, leave the column out"
        )


def _no_kind(_: str) -> str | None:
    return None


def _named(name: str, names: Sequence[str]) -> str | None:
    """The column of a name; case matters only where both exist."""
    if name in names:
        return name
    alike = [one for one in names if one.lower() == name.lower()]
    return alike[0] if alike else None


def _have(names: Sequence[str]) -> str:
    return f"it has {listed([str(name)[:80] for name in names])}" if names else "it has no columns"


def _wins(field: Field, fields: Sequence[Field]) -> bool:
    """Whether a field is needed: the best one of its meaning, or one of several parts of a time."""
    if field.meaning == "time" and ":" in field.kind:
        return field in several(fields, "time")
    return bool(field.meaning) and field is best(fields, field.meaning)


def _with_texts(rows: pl.DataFrame, batch: pl.DataFrame) -> pl.DataFrame:
    """Show rejected rows as JSON."""
    bad = rows["reason"].is_not_null().arg_true()
    if not len(bad):
        return rows
    shown = [
        json.dumps(row, default=str)[:MAX_SHOWN] for row in batch.drop(BAD, strict=False)[bad].iter_rows(named=True)
    ]
    return rows.with_columns(line=rows["line"].scatter(bad, shown))
