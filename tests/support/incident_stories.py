"""Simulated days of several services with a known fault, in a store in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from pratique.incident.model import Change
from pratique.store.base import Seen
from pratique.store.counts import Counter
from pratique.telemetry.buckets import buckets_of
from pratique.telemetry.rollups import Rollups

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
"""Start of the range that is looked at; the history is the day before it."""
HISTORY = 24 * 60
MINUTES = 120
ACTIONS = ("GET /", "GET /cart", "POST /checkout", "GET /search")
HOSTS = ("a", "b", "c")
CODES = (503, 500)
CODE_PARTS = (0.7, 0.3)
ACTION_PARTS = (0.4, 0.3, 0.1, 0.2)
USUAL = 0.004

Shape = tuple[int, ...]


@dataclass
class Traffic:
    """Requests of one service by minute (from HISTORY minutes before START), revision, action and host, and shares of bad ones.

    n: mean requests, shape (minutes, revisions, actions, hosts). share: of bad ones by code, shape (codes, *n.shape).
    """

    service: str
    revisions: tuple[str, ...]
    n: np.ndarray
    share: np.ndarray
    actions: tuple[str, ...] = ACTIONS
    hosts: tuple[str, ...] = HOSTS

    @classmethod
    def quiet(
        cls,
        service: str = "shop",
        *,
        revisions: Sequence[str] = ("r41", "r42"),
        weights: Mapping[int, Sequence[float]] | None = None,
        per_minute: float = 600.0,
        history: int = HISTORY,
    ) -> Traffic:
        """weights: from which minute of the range on the revisions have which weights; default: all to the first."""
        minutes = history + MINUTES
        shares = np.zeros((minutes, len(revisions)))
        shares[:, 0] = 1.0
        for since, given in (weights or {}).items():
            shares[history + since :] = given
        parts = np.array(ACTION_PARTS)[:, None] / len(HOSTS) * np.ones(len(HOSTS))
        n = per_minute * shares[:, :, None, None] * parts
        share = USUAL * np.array(CODE_PARTS)[:, None, None, None, None] * np.ones((len(CODES), *n.shape))
        return cls(service, tuple(revisions), n, share)

    @property
    def history(self) -> int:
        """Minutes before the range."""
        return len(self.n) - MINUTES

    def at(self, since: int, until: int | None = None) -> slice:
        """Return the minutes of the range from `since` to `until`."""
        return slice(self.history + since, None if until is None else self.history + until)

    def index(self, name: str) -> tuple[int, int]:
        """Return the axis of `n` and the number of a revision, action or host."""
        for axis, names in enumerate((self.revisions, self.actions, self.hosts), start=1):
            if name in names:
                return axis, names.index(name)
        raise KeyError(name)

    def where(self, since: int, *names: str, until: int | None = None) -> tuple[slice, ...]:
        """Return the part of `n` from a minute on, of some revisions, actions or hosts."""
        chosen = [self.at(since, until), slice(None), slice(None), slice(None)]
        for name in names:
            axis, number = self.index(name)
            chosen[axis] = slice(number, number + 1)
        return tuple(chosen)

    def fail(
        self, since: int, factor: float, *names: str, until: int | None = None, code: int | None = None
    ) -> Traffic:
        """Multiply the share of bad requests."""
        part = self.where(since, *names, until=until)
        codes = slice(None) if code is None else CODES.index(code)
        self.share[(codes, *part)] *= factor
        return self

    def vanish(self, since: int, *names: str, left: float = 0.0) -> Traffic:
        """Leave a part of the requests only."""
        self.n[self.where(since, *names)] *= left
        return self

    def rows(self, rng: np.random.Generator) -> pa.Table:
        """Draw the requests: the columns of counts that rollups are made from."""
        n = rng.poisson(self.n)
        bad = rng.binomial(n[None], np.minimum(self.share, 0.49))
        good = np.maximum(n - bad.sum(axis=0), 0)
        tables = []
        for code, counts in [(200, good), *zip(CODES, bad, strict=True)]:
            minute, revision, action, host = np.nonzero(counts)
            start = int(START.timestamp()) - self.history * 60
            tables.append(
                pa.table(
                    {
                        "time_ms": (start + minute * 60) * 1000,
                        "service": [self.service] * len(minute),
                        "revision": np.array(self.revisions, object)[revision],
                        "action": np.array(self.actions, object)[action],
                        "host": np.array(self.hosts, object)[host],
                        "source": ["simulated"] * len(minute),
                        "code": np.full(len(minute), code, np.int16),
                        "n": counts[minute, revision, action, host],
                    }
                )
            )
        return pa.concat_tables(tables)


def slow_rows(
    rng: np.random.Generator,
    traffic: Traffic,
    slower: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> pa.Table:
    """Draw requests with durations. slower: factor of each request, from its minute of the range, action, host and duration."""
    n = rng.poisson(traffic.n)
    minute, revision, action, host = (np.repeat(index, n[n > 0]) for index in np.nonzero(n))
    duration = np.exp(np.log(80.0) + 0.6 * rng.standard_normal(len(minute)))
    duration *= slower(
        minute - traffic.history, np.array(traffic.actions)[action], np.array(traffic.hosts)[host], duration
    )
    start = int(START.timestamp()) - traffic.history * 60
    keys = np.stack([minute, revision, action, host, buckets_of(duration).astype(np.int64)])
    cells, count = np.unique(keys, axis=1, return_counts=True)
    return pa.table(
        {
            "time_ms": (start + cells[0] * 60) * 1000,
            "service": [traffic.service] * cells.shape[1],
            "revision": np.array(traffic.revisions, object)[cells[1]],
            "action": np.array(traffic.actions, object)[cells[2]],
            "host": np.array(traffic.hosts, object)[cells[3]],
            "source": ["simulated"] * cells.shape[1],
            "code": np.full(cells.shape[1], 200, np.int16),
            "n": count,
            "bucket": pa.array(cells[4][:, None].tolist(), pa.list_(pa.int16())),
            "count": pa.array(count[:, None].tolist(), pa.list_(pa.int64())),
        }
    )


@dataclass
class MemoryStore:
    """A store of rows of counts that are not merged; it can only be counted."""

    rows: pa.Table
    counted: list[tuple[str, ...]] = field(default_factory=list)

    @classmethod
    def of(cls, *tables: pa.Table) -> MemoryStore:
        """Keep the rows of several tables."""
        columns = {name: pa.concat_tables(tables, promote_options="default")[name] for name in tables[0].column_names}
        times = columns.pop("time_ms").cast(pa.timestamp("ms")).cast(pa.timestamp("ms", tz="UTC"))
        no_list = {"bucket": pa.list_(pa.int16()), "count": pa.list_(pa.int64())}
        rows = len(times)
        lists = {name: columns.pop(name, pa.array([[]] * rows, kind)) for name, kind in no_list.items()}
        for name in ("service", "revision", "action", "host"):
            columns[name] = columns[name].dictionary_encode()
        return cls(pa.table({"window": times, **columns, **lists}))

    def _chosen(self, service: str | None, start: datetime | None, end: datetime | None) -> pa.Table:
        import pyarrow.compute as pc  # noqa: PLC0415

        rows = self.rows
        if service is not None:
            rows = rows.filter(pc.equal(rows["service"].cast(pa.string()), service))
        if start is not None:
            rows = rows.filter(pc.greater_equal(rows["window"], pa.scalar(start, rows["window"].type)))
        if end is not None:
            rows = rows.filter(pc.less(rows["window"], pa.scalar(end, rows["window"].type)))
        return rows

    def counts(self, service, start, end, *, by, step_s, slower_than_ms=None):
        """Count as every store does."""
        self.counted.append(tuple(by))
        counter = Counter(start, by, step_s, slower_than_ms)
        counter.add(self._chosen(service, start, end))
        return counter.table()

    def revisions(self, service=None, start=None, end=None):
        """List the revisions with requests."""
        rows = self._chosen(service, start, end)
        found = (
            rows.select(["service", "revision", "window", "n"]).unify_dictionaries().group_by(["service", "revision"])
        )
        table = found.aggregate([("window", "min"), ("window", "max"), ("n", "sum")])
        return [
            Seen(row["service"], row["revision"], row["window_min"], row["window_max"], row["n_sum"])
            for row in table.to_pylist()
        ]


def change(minute: float, revision: str = "r42", *, service: str = "shop", kind: str = "release", **values) -> Change:
    """Return a change at a minute of the range."""
    given = {"who": "kim", "why": "", "number": 7} | values
    return Change(START + timedelta(minutes=minute), service, kind, revision, **given)


def rollups_of(table: pa.Table) -> Rollups:
    """Return the rows as rollups of one-minute windows, for a store on disk."""
    return Rollups.from_counts(table, window_s=60)
