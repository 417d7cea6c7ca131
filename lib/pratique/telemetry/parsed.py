"""The rows of a log or table as requests, with a reason for each row that is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import polars as pl

from pratique.clock import utc_now
from pratique.telemetry.buckets import LONGEST_MS
from pratique.telemetry.logs.events import MAX_TEXT, Events
from pratique.telemetry.logs.named import hides_request
from pratique.telemetry.reasons import NO_REQUEST, NO_REVISION, OTHER_FORM, OTHER_SERVICE

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)
"""A row must not be further ahead of the clock than this."""
MAX_SHOWN = 4000
"""Characters of a rejected row that are looked at and kept."""
CONTROL = r"[\p{C}\p{Zl}\p{Zp}]"
COLUMNS = ("time_ms", "method", "path", "action", "code", "duration_ms", "host", "revision")
COUNTED = ("ignored", NO_REVISION, OTHER_SERVICE)
"""Reasons of rows that are only counted."""
NO_EVENTS = pl.DataFrame(
    schema={
        name: {"time_ms": pl.Int64, "code": pl.Int64, "duration_ms": pl.Float64}.get(name, pl.String)
        for name in COLUMNS
    }
)


@dataclass(frozen=True)
class Parsed:
    """The parsed rows of a block.

    events: one row for each request, columns COLUMNS; rows of counts have `n` and more, see `tables.counts`. rejects: (row
    number, reason, row) of rejected rows. others: numbers of lines of the program itself that are no requests, by their
    kind. ignored, without_revision, other_services: numbers of other rows that are not events. lines: number of all rows.
    lost_by_revision, lost_by_reason, lost_without_revision: requests of rejected rows, and of those without a revision; a
    row of counts is as many as it tells. messages_by_revision: messages between the requests of a log of one revision.
    """

    events: pl.DataFrame
    rejects: list[tuple[int, str, str]]
    ignored: int
    without_revision: int
    other_services: int
    lines: int
    others: dict[str, int] = field(default_factory=dict)
    lost_by_revision: dict[str, int] = field(default_factory=dict)
    lost_by_reason: dict[str, int] = field(default_factory=dict)
    lost_without_revision: int = 0
    messages_by_revision: dict[str, int] = field(default_factory=dict)


def with_reasons(
    read: pl.DataFrame, events: Events, ignore: Sequence[str], *, more: pl.Expr | None = None
) -> pl.DataFrame:
    """Add the column reason to rows read by Events: why a row is no request, null for a request.

    more: further reasons, which come before all others but that a row does not match the format. ignore: paths.
    """
    latest = int((utc_now() + AHEAD).timestamp() * 1000)
    earliest = int(EARLIEST.timestamp() * 1000)
    where = events.sources()
    reason = (
        pl.when(~pl.col("matched"))
        .then(pl.lit("format"))
        .when((pl.lit(None, pl.String) if more is None else more).is_not_null())
        .then(pl.lit(None, pl.String) if more is None else more)
        # a line that itself tells a revision may be a request of it that failed in another form; see `sorted_out` for others
        .when(pl.col("empty") & (pl.lit(events.source.revision is not None) | pl.col("revision").is_null()))
        .then(pl.lit(NO_REQUEST))
        .when(pl.col("other_service"))
        .then(pl.lit(OTHER_SERVICE))
        .when(pl.col("time_ms").is_null() & pl.col("zone_name").is_not_null())
        .then(
            pl.concat_str(
                pl.lit("its zone is named "),
                "zone_name",
                pl.lit(f"{where['time']}, but {events.zone} does not have this name at that time"),
            )
        )
        .when(pl.col("time_ms").is_null())
        .then(pl.lit(f"its time cannot be read{where['time']}"))
        .when((pl.col("time_ms") < earliest) | (pl.col("time_ms") > latest))
        .then(pl.lit(f"its time is before 2000 or more than a day ahead{where['time']}"))
        .when(~pl.col("code").is_between(0, 999) | pl.col("code").is_null())
        .then(pl.lit(f"its status is not a status code{where['status']}"))
        .when(pl.lit(value=not where["path"]) & pl.col("action").is_null())
        .then(pl.lit("it has no path and no action"))
        .when(pl.col("path").is_in(list(ignore)))
        .then(pl.lit("ignored"))
        .when(pl.col("revision").is_null())
        .then(pl.lit(NO_REVISION))
        .when(pl.col("revision").str.len_chars() > MAX_TEXT)
        .then(pl.lit("its revision is longer than 200 characters"))
        .when(pl.any_horizontal(pl.col("revision", "host", "action").str.contains(CONTROL)))
        .then(pl.lit("a control character in its revision, host or action"))
        .otherwise(None)
    )
    return read.with_columns(duration_ms=pl.when(pl.col("duration_ms") < LONGEST_MS).then("duration_ms"), reason=reason)


def sorted_out(
    rows: pl.DataFrame,
    lines: int,
    *,
    columns: Sequence[str] = COLUMNS,
    why_not: Callable[[str], str],
    other_kind: Callable[[str], str | None],
) -> Parsed:
    """Divide rows with a reason into requests and others. lines: number of all rows. why_not, other_kind: see `Layout`."""
    requests = pl.col("n").cast(pl.Int64, strict=False).fill_null(1).clip(1) if "n" in rows.columns else pl.lit(1)
    bad = rows.filter(pl.col("reason").is_not_null()).with_columns(requests=requests)
    counts = dict(bad.group_by("reason").len().iter_rows()) if len(bad) else {}
    rejects = []
    others: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    messages: Counter[str] = Counter()
    is_message = pl.col("reason").is_in(["format", NO_REQUEST]) | (pl.col("code").is_null() & pl.col("path").is_null())
    seen = bad.select("number", "reason", "line", "revision", "requests", is_message=is_message)
    for number, reason, line, revision, weight, may_be_message in seen.iter_rows():
        if reason in COUNTED:
            continue
        kind = other_kind(line[:MAX_SHOWN]) if may_be_message else None
        if kind is None and reason == NO_REQUEST and not hides_request(line):
            kind = reason
        if kind is not None:
            others[kind] += 1
            if revision is not None and reason == NO_REQUEST:
                messages[revision] += 1
            continue
        shown = line[:MAX_SHOWN]
        why = why_not(shown) if reason == "format" else OTHER_FORM if reason == NO_REQUEST else reason
        rejects.append((number, why, shown))
        reasons[why] += weight
        if revision is not None and len(revision) <= MAX_TEXT:
            lost[revision] += weight
    events = rows.filter(pl.col("reason").is_null())
    ignored, without_revision, elsewhere = (counts.get(key, 0) for key in COUNTED)
    return Parsed(
        events.select(*columns),
        rejects,
        ignored,
        without_revision,
        elsewhere,
        lines,
        dict(others),
        dict(lost),
        dict(reasons),
        int(bad.filter(pl.col("reason") == NO_REVISION)["requests"].sum()),
        dict(messages),
    )


def nothing(lines: int) -> Parsed:
    """Return what lines tell of which none is a request."""
    return Parsed(NO_EVENTS, [], 0, 0, 0, lines)


def with_rejects(parsed: Parsed, rejects: Sequence[tuple[int, str, str]], revision: str | None) -> Parsed:
    """Add lines that were rejected before they could be parsed. revision: of all lines of the log, if it has one."""
    reasons, lost = Counter(parsed.lost_by_reason), Counter(parsed.lost_by_revision)
    reasons.update(reason for _, reason, _ in rejects)
    lost.update({revision: len(rejects)} if revision is not None else {})
    shown = [(number, reason, text[:MAX_SHOWN]) for number, reason, text in rejects]
    return replace(parsed, rejects=[*parsed.rejects, *shown], lost_by_reason=dict(reasons), lost_by_revision=dict(lost))
