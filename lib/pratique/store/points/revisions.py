"""List the revisions that points tell of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow.compute as pc

from pratique.clock import from_ms
from pratique.store.base import Seen, oldest_first
from pratique.store.label_mapping import Tags
from pratique.store.points.tag_reader import FIELD, TagReader
from pratique.telemetry.rollups import Rollups


def of_rollups(rollups: Rollups) -> list[Seen]:
    """Return the revisions with requests in some rows, oldest first."""
    table = rollups.table.filter(pc.greater(rollups.table["n"], 0))
    totals = table.group_by(["service", "revision"]).aggregate([("window", "min"), ("window", "max"), ("n", "sum")])
    return oldest_first(
        Seen(row["service"], row["revision"], row["window_min"], row["window_max"], row["n_sum"])
        for row in totals.to_pylist()
    )


@dataclass
class _Counted:
    """What the server says of the points with the same tags: of each field their number, and the times, epoch ms."""

    counts: list[int] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)


def of_counts(
    counts: Iterable[tuple[Mapping[str, str], str, str]],
    reader: TagReader,
    wanted: Callable[[Tags], bool],
    length_ms: int,
) -> list[Seen]:
    """Return the revisions by what the server counts, oldest first. counts: as `PointBucket.counts` gives them.

    The requests with the same tags are as many as the field that most of them have.
    """
    by_tags: dict[tuple[tuple[str, str], ...], _Counted] = {}
    for labels, kind, value in counts:
        key = tuple(sorted((name, text) for name, text in labels.items() if name != FIELD and text))
        found = by_tags.setdefault(key, _Counted())
        if kind == "count":
            found.counts.append(int(value))
        else:
            found.times_ms.append(int(datetime.fromisoformat(value).timestamp() * 1000) // length_ms * length_ms)
    by_revision: dict[tuple[str, str], list[_Counted]] = {}
    for key, found in by_tags.items():
        tags = reader.read(dict(key))
        if tags is not None and wanted(tags):
            by_revision.setdefault((tags.service, tags.revision), []).append(found)
    return oldest_first(
        Seen(
            *key,
            from_ms(min(time for one in found for time in one.times_ms)),
            from_ms(max(time for one in found for time in one.times_ms)),
            sum(max(one.counts) for one in found),
        )
        for key, found in by_revision.items()
    )
