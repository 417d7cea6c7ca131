"""Rollups of points that are one request each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pratique.store.label_mapping import Tags
from pratique.store.points.answer import Series
from pratique.store.points.tag_reader import TagReader
from pratique.store.scraped.increases import Floats, Ints
from pratique.store.scraped.rows import WITHOUT_CODE
from pratique.telemetry.buckets import LONGEST_MS
from pratique.telemetry.rollups import Rollups

SOURCE = "points"
UNIT_MS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
NS_PER_S = 1_000_000_000
MANY, ADJACENT = 100, 0.05
"""Points in whole seconds from which on, and the share of them in consecutive seconds, some are taken to have replaced others."""
_NUMBER = r"^\s*\+?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?\s*$"

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Points:
    """The requests with the same tags. fields: the values of each, text or null."""

    tags: Mapping[str, str]
    time_ns: Ints
    fields: Mapping[str, pa.Array]


class RequestCounter:
    """Adds requests up in windows, part by part of a time range."""

    def __init__(self, reader: TagReader, duration: str, unit: str, window_s: int) -> None:
        """duration, unit: the field with the duration of a request, "" for none, and its unit, a key of UNIT_MS."""
        self._reader, self._duration, self._factor = reader, duration, UNIT_MS[unit]
        self._window_s = window_s
        self.known: dict[Tags, None] = {}
        self.untimed = False
        self.is_crowded = False

    def count(self, series: Iterable[Series], wanted: Callable[[Tags], bool]) -> Rollups:
        """Return the rows of the requests in some series. wanted: whether those with such tags are counted."""
        times: list[Ints] = []
        durations: list[Floats] = []
        places: list[Codes] = []
        known: dict[Tags, int] = {}
        for points in _joined(series):
            place = self._places(points, known, wanted)
            chosen = place >= 0
            self._look_at_times(points.time_ns[chosen])
            times.append(points.time_ns[chosen] // 1_000_000)
            durations.append(self._durations(points)[chosen])
            places.append(place[chosen])
        self.known.update(dict.fromkeys(known))
        if not known:
            return Rollups.empty()
        return self._rollups(np.concatenate(times), np.concatenate(durations), np.concatenate(places), list(known))

    def notes(self) -> Iterator[str]:
        """Say what the points cannot tell."""
        if self.is_crowded:
            yield (
                "the points have times in whole seconds, and InfluxDB keeps one of those with the same tags and time: requests "
                "may be missing; let the program write finer times"
            )
        if self.untimed and self._duration:
            yield f"some points have no valid duration in the field {self._duration!r}: they are counted and not timed"

    def _places(self, points: _Points, known: dict[Tags, int], wanted: Callable[[Tags], bool]) -> Codes:
        """For each point the number of its tags in `known`, -1 for those that are not wanted."""
        names = [name for name in self._reader.names if name in points.fields]
        row = np.zeros(len(points.time_ns), np.int64)
        values = {name: points.fields[name].dictionary_encode() for name in names}
        for column in values.values():
            codes = pc.fill_null(column.indices, len(column.dictionary)).to_numpy(zero_copy_only=False)
            _, row = np.unique(row * (len(column.dictionary) + 1) + codes, return_inverse=True)
        _, first, combination = np.unique(row, return_index=True, return_inverse=True)
        found = np.full(len(first), -1, np.int64)
        for at, index in enumerate(first.tolist()):
            texts = {name: column[index].as_py() or "" for name, column in values.items()}
            tags = self._reader.read_request({**texts, **points.tags})
            if tags is not None and wanted(tags):
                found[at] = known.setdefault(tags, len(known))
        return found[combination]

    def _durations(self, points: _Points) -> Floats:
        """The duration of each point in ms, -1 where there is no valid one."""
        texts = points.fields.get(self._duration)
        if texts is None:
            self.untimed = True
            return np.full(len(points.time_ns), -1.0)
        valid = pc.fill_null(pc.match_substring_regex(texts, _NUMBER), False)
        numbers = pc.cast(pc.utf8_trim_whitespace(pc.if_else(valid, texts, "-1")), pa.float64())
        found = np.asarray(numbers.to_numpy(zero_copy_only=False) * self._factor, np.float64)
        found[(found < 0) | (found >= LONGEST_MS)] = -1.0
        self.untimed = self.untimed or bool((found < 0).any())
        return found

    def _look_at_times(self, time_ns: Ints) -> None:
        if len(time_ns) >= MANY and not (time_ns % NS_PER_S).any():
            self.is_crowded = self.is_crowded or float((np.diff(time_ns) == NS_PER_S).mean()) > ADJACENT

    def _rollups(self, time_ms: Ints, duration_ms: Floats, place: Codes, known: Sequence[Tags]) -> Rollups:
        texts = {
            name: pa.array([getattr(tags, name) for tags in known])
            for name in ("service", "revision", "action", "host")
        }
        codes = np.array([WITHOUT_CODE if tags.code is None else tags.code for tags in known], np.int16)
        events = {
            "time_ms": pa.array(time_ms),
            **{name: text.take(pa.array(place)) for name, text in texts.items()},
            "source": pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(place), np.int32)), [SOURCE]),
            "code": pa.array(codes[place]),
            "duration_ms": pa.array(duration_ms),
        }
        return Rollups.from_events(pa.table(events), window_s=self._window_s)


def _joined(series: Iterable[Series]) -> Iterator[_Points]:
    """Yield the points of each combination of tags, their fields side by side."""
    by_tags: dict[tuple[tuple[str, str], ...], list[Series]] = {}
    for one in series:
        by_tags.setdefault(tuple(sorted(one.tags.items())), []).append(one)
    for tags, found in by_tags.items():
        time_ns = np.unique(np.concatenate([one.time_ns for one in found]))
        fields: dict[str, pa.Array] = {}
        for one in found:
            index = np.full(len(time_ns), -1, np.int64)
            index[np.searchsorted(time_ns, one.time_ns)] = np.arange(len(one.time_ns))
            # the same field again has values of another type at other times
            values = one.values.take(pa.array(index, mask=index < 0))
            fields[one.field] = pc.coalesce(fields[one.field], values) if one.field in fields else values
        yield _Points(dict(tags), time_ns, fields)
