"""Compare two revisions in a store: one call from the store to the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pratique.clock import floor
from pratique.config import Policy, StoreSettings
from pratique.errors import MissingError, UsageError
from pratique.judge.compared_revisions import compared_revisions
from pratique.judge.judge import Judge
from pratique.judge.model import Verdict, WeightChanges
from pratique.store import Seen, Store, open_store
from pratique.telemetry.lost_lines import LostLines
from pratique.telemetry.rollups import Rollups
from pratique.telemetry.windows import ending_after, joined_s, lengths_s, whole_range, within


@dataclass(frozen=True)
class Judged:
    """A verdict, and the rows that were judged with the baseline's history before them, from one read of the store."""

    verdict: Verdict
    rollups: Rollups


def compare(
    store: Any,
    service: str = "",
    baseline: str = "",
    canary: str = "",
    *,
    policy: Policy | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    window_s: int | None = None,
    weights: WeightChanges = (),
    notes: Sequence[str] = (),
    lost: Sequence[LostLines] = (),
    now: datetime | None = None,
    fields: Mapping[str, str] | None = None,
    timezone: str | None = None,
    interval: int | None = None,
) -> Verdict:
    """Compare a canary with its baseline over [start, end), timezone-aware UTC.

    `compare(store, service, baseline, canary)` reads a store; `compare(frame, baseline, canary)` a data frame.
    store: an open store, its settings, or its address (a folder or a URL); or a DataFrame of pandas or polars, an Arrow
    table or a DuckDB relation, with a row for each request (columns time, revision, status, action or path, and a
    duration), or with counts of requests (time, revision, action, status, n).
    policy: default `Policy()`. start: default the canary's first window; the baseline's requests before it are history.
    Windows across a bound of the range are left out. window_s: length of the windows judged; default that of the data, and
    10 for a frame. Windows of
    other lengths in the range are joined to the shortest common multiple. weights: the shares of traffic and the times from
    which they were in force. notes: lines that the collector reports as late or lost.
    lost: lines that imports could not count. now: the time that the deadline is
    compared with; default the end of the data, because stored data does not age.
    For a frame only: fields: the column of a meaning, with its unit, as in {"duration": "took:s", "revision": "release"},
    as --field of `pratique import`. timezone: of times without a zone. interval: seconds that a row of counts covers;
    default by the times.
    Raises: UsageError (an empty range, the same revision twice), MissingError (an unknown service or revision, or no
    request in the range); the errors of the store; DataError for a frame whose columns are missing or not clear.

    >>> compare("a/folder", "shop", "r1", "r1")
    Traceback (most recent call last):
        ...
    pratique.errors.UsageError: baseline and canary are both 'r1': name two revisions

    A frame needs no service:

    >>> import polars
    >>> rows = [(60 * t, revision, "GET /", 200, 90) for t in range(30) for revision in ("r1", "r2")]
    >>> counts = polars.DataFrame(rows, ["time", "revision", "action", "status", "n"], orient="row")
    >>> counts = counts.with_columns(time=polars.from_epoch("time").dt.offset_by("56y"))
    >>> compare(counts, "r1", "r2", timezone="UTC").requests
    {'r1': 2700, 'r2': 2700}
    """
    names = [name for name in (service, baseline, canary) if name]
    if is_frame(store):
        if len(names) != 2:
            raise UsageError("name two revisions of the frame: compare(frame, baseline, canary)")
        from pratique.store.frame import SERVICE, FrameStore  # noqa: PLC0415 - polars

        store = FrameStore.of(store, window_s=window_s, fields=fields, timezone=timezone, interval_s=interval)
        names, notes, lost = [SERVICE, *names], [*notes, *store.notes], [*lost, store.lost]
    elif fields is not None or timezone is not None or interval is not None:
        raise UsageError("fields, timezone and interval are for a data frame: a store has been read already")
    if len(names) != 3:
        raise UsageError("name the service and two revisions: compare(store, service, baseline, canary)")
    return read_and_judge(
        store,
        *names,
        policy=policy,
        start=start,
        end=end,
        window_s=window_s,
        weights=weights,
        notes=notes,
        lost=lost,
        now=now,
    ).verdict


def is_frame(value: object) -> bool:
    """Whether a value is a data frame: it has an Arrow form, or becomes a frame when it is collected (polars' lazy one)."""
    return not isinstance(value, type) and any(
        hasattr(value, name) for name in ("__arrow_c_stream__", "to_arrow_table", "collect_schema")
    )


def read_and_judge(
    store: Store | StoreSettings | str,
    service: str,
    baseline: str,
    canary: str,
    *,
    policy: Policy | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    window_s: int | None = None,
    weights: WeightChanges = (),
    notes: Sequence[str] = (),
    lost: Sequence[LostLines] = (),
    now: datetime | None = None,
    known: Mapping[str, Seen] | None = None,
) -> Judged:
    """Read the rows of two revisions once, and judge them, so that figures can show exactly the rows that were judged.

    known: what `compared_revisions` returned, if it was called already. The other parameters and the errors are those of
    `compare`.
    """
    policy = policy or Policy()
    if isinstance(store, StoreSettings | str):
        store = open_store(store)
    known = known or compared_revisions(store, service, baseline, canary, start, end)
    since = start or known[canary].first
    earliest = since - timedelta(minutes=policy.history_min)
    rollups = store.read(service, [baseline, canary], earliest, end)
    lengths = _lengths_s(rollups, since, end)
    joined = joined_s(*lengths, *([window_s] if window_s else []))
    if start is None:
        since = max(earliest, floor(since, timedelta(seconds=joined)))
    first, last = whole_range(since, end, lengths)
    judge = Judge(policy, service, baseline, canary, joined, start=first, end=last)
    judge.update(rollups)
    notes = [*notes, *_folded(len(judge.state.actions.folded))]
    return Judged(judge.verdict(now, weights=weights, notes=notes, lost=lost), rollups)


def _folded(actions: int) -> list[str]:
    if not actions:
        return []
    return [
        f"{actions:,} actions with few requests are judged together as 'other': declare rules in [[services.NAME.actions]]"
    ]


def _lengths_s(rollups: Rollups, start: datetime, end: datetime | None) -> list[int]:
    """The lengths of the windows in the range or across a bound of it; those of the history play no part."""
    lengths = lengths_s(ending_after(rollups, start))
    if not lengths:
        raise MissingError("no request of either revision in the time range")
    if end is not None and not len(within(rollups, start, end)):
        raise MissingError(
            f"no window of either revision lies wholly in the time range: windows last {' or '.join(map(str, lengths))} s, "
            "and one across a bound is left out: choose a longer range"
        )
    return lengths
