"""One point for the rows of a window: what Pratique reads, because points of each row cost the server too much.

InfluxDB opens every series of a range, which takes it 30 µs for each, however few points it has. The points of `lines` have a series for each
action, code and host; these have one for each service, revision, source and writer. A point holds the rows of one write in
the fields `rows_WRITER_0`, `rows_WRITER_1` …, see `window_values`.

A later write of a window has another point, which replaces some of its rows. The time of a point is the start of its window
plus the number of the write in nanoseconds, below a millisecond; the writer takes these numbers from the marks. Two writers at the same time may
take the same number: then their fields are in one point, and neither replaces those of the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pratique.store import row_keys
from pratique.store.influxdb import lines, window_values

MEASUREMENT = "pratique_windows"
FIELD = "rows_"
TAGS = ("revision", "service", "source")
NUMBERS = 1_000_000
"""Nanoseconds in a millisecond: numbers of writes are counted modulo this."""
MAX_FIELD = 180_000
"""Bytes of text after which a field ends, about 60,000 when they are compressed. The server takes 1 MiB, which no row can reach."""
ROWS_AT_ONCE = 20_000
"""Rows whose text is in memory at once, unless one window has more."""
_POINT = ("window", "service", "revision", "source")
_ORDER = (*_POINT, "action", "code", "host")


def requests(table: pa.Table, numbers: Mapping[tuple[str, str], int], writer: str) -> Iterator[bytes]:
    """Yield the points of rows with READ_SCHEMA, with times in nanoseconds.

    numbers: of the write, by service and source; rows without a number get no point. writer: see `Marker`.
    """
    numbered = _numbers(table.select(["service", "source"]).unify_dictionaries().combine_chunks(), numbers) >= 0
    if not numbered.all():
        table = table.filter(pa.array(numbered))
    (code,) = row_keys.codes([table], _ORDER)
    table = table.take(pa.array(row_keys.last_of_each(code)))
    (code,) = row_keys.codes([table], _POINT)
    starts = np.flatnonzero(np.diff(code, prepend=-1))
    first = 0
    while first < len(starts):
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + ROWS_AT_ONCE)))
        end = int(starts[last]) if last < len(starts) else table.num_rows
        part = table.slice(starts[first], end - starts[first]).unify_dictionaries().combine_chunks()
        yield from lines.bounded(_points(part, starts[first:last] - starts[first], numbers, writer))
        first = last


def _numbers(table: pa.Table, numbers: Mapping[tuple[str, str], int]) -> npt.NDArray[np.int64]:
    """The number of the write of each row, below NUMBERS; -1 without one."""
    services, sources = (table[name].combine_chunks() for name in ("service", "source"))
    pairs = np.asarray(services.indices, np.int64) * len(sources.dictionary) + np.asarray(sources.indices)
    found, at = np.unique(pairs, return_inverse=True)
    keys = [divmod(int(pair), len(sources.dictionary)) for pair in found]
    known = [numbers.get((services.dictionary[a].as_py(), sources.dictionary[b].as_py())) for a, b in keys]
    return np.array([-1 if number is None else number % NUMBERS for number in known], np.int64)[at]


def _points(
    table: pa.Table, starts: npt.NDArray[np.int64], numbers: Mapping[tuple[str, str], int], writer: str
) -> pa.Array:
    """The lines of rows that are in order of their points. starts: the first row of each point."""
    texts = window_values.texts(table)
    size = np.asarray(pc.binary_length(texts), np.int64)
    point = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(texts)))
    before = np.cumsum(size) - size
    field = (before - before[starts][point]) // MAX_FIELD
    firsts = np.flatnonzero(np.diff(point, prepend=-1) | np.diff(field, prepend=-1))
    heads = table.take(pa.array(firsts))
    number = pa.array(_numbers(heads, numbers))
    time = pc.add(pc.multiply(heads["window"].combine_chunks().cast(pa.int64()), NUMBERS), number)
    parts: list[object] = [pa.scalar(MEASUREMENT)]
    for name in TAGS:
        parts += [pa.scalar(f",{name}="), lines.tag_values(heads[name].combine_chunks())]
    parts += [pa.scalar(f" {FIELD}{writer}_"), pa.array(field[firsts]).cast(pa.string()), pa.scalar('="')]
    parts += [window_values.values(table, texts, firsts), pa.scalar('" '), time.cast(pa.string())]
    return pc.binary_join_element_wise(*parts, "")
