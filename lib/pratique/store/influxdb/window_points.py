"""One point for the rows of a window: what Pratique reads, because points of each row cost the server too much.

InfluxDB opens every series of a range, which takes it 30 µs for each, however few points it has. The points of `lines` have a series for each
action, code and host; these have one for each service, revision and source. A point holds the rows of one write in
the fields `rows_0`, `rows_1` …, see `window_values`.

A later write of a window has another point, which replaces some of its rows. The time of a point is the start of its window
plus the number of the write in nanoseconds, below a millisecond; the writer takes these numbers from the marks.
"""

from __future__ import annotations

from collections.abc import Iterator

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


def requests(table: pa.Table, number: int) -> Iterator[bytes]:
    """Yield the points of rows with READ_SCHEMA, with times in nanoseconds. number: of the write."""
    (code,) = row_keys.codes([table], _ORDER)
    table = table.take(pa.array(row_keys.last_of_each(code)))
    (code,) = row_keys.codes([table], _POINT)
    starts = np.flatnonzero(np.diff(code, prepend=-1))
    first = 0
    while first < len(starts):
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + ROWS_AT_ONCE)))
        end = int(starts[last]) if last < len(starts) else table.num_rows
        part = table.slice(starts[first], end - starts[first]).unify_dictionaries().combine_chunks()
        yield from lines.bounded(_points(part, starts[first:last] - starts[first], number % NUMBERS))
        first = last


def _points(table: pa.Table, starts: npt.NDArray[np.int64], number: int) -> pa.Array:
    """The lines of rows that are in order of their points. starts: the first row of each point."""
    texts = window_values.texts(table)
    size = np.asarray(pc.binary_length(texts), np.int64)
    point = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(texts)))
    before = np.cumsum(size) - size
    field = (before - before[starts][point]) // MAX_FIELD
    firsts = np.flatnonzero(np.diff(point, prepend=-1) | np.diff(field, prepend=-1))
    heads = table.take(pa.array(firsts))
    time = pc.add(pc.multiply(heads["window"].combine_chunks().cast(pa.int64()), NUMBERS), number)
    parts: list[object] = [pa.scalar(MEASUREMENT)]
    for name in TAGS:
        parts += [pa.scalar(f",{name}="), lines.tag_values(heads[name].combine_chunks())]
    parts += [pa.scalar(f" {FIELD}"), pa.array(field[firsts]).cast(pa.string()), pa.scalar('="')]
    parts += [window_values.values(table, texts, firsts), pa.scalar('" '), time.cast(pa.string())]
    return pc.binary_join_element_wise(*parts, "")
