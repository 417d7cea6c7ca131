"""The note in the footer of each data file: its revisions, their windows and requests.

A store of ninety days has a hundred million rows, but its few hundred footers are enough to list the revisions. DuckDB
reads the files without a note (of other engines) and the files that are only partly in the time range.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from pratique.clock import from_ms
from pratique.store.base import Seen, oldest_first
from pratique.store.snapshot import StoredFile

NOTE = "pratique.seen"
_MAX_REVISIONS = 1000


def note(rows: pa.Table) -> dict[str, str]:
    """Return the note on rows of READ_SCHEMA: first and last window (epoch ms) and requests of each revision."""
    column = rows["revision"].unify_dictionaries()
    names = column.chunk(0).dictionary.to_pylist()
    if len(names) > _MAX_REVISIONS:
        return {}
    which = np.concatenate([np.asarray(chunk.indices) for chunk in column.chunks])
    window, n = np.asarray(rows["window"].cast(pa.int64())), np.asarray(rows["n"])
    first, last = np.full(len(names), np.iinfo(np.int64).max), np.full(len(names), np.iinfo(np.int64).min)
    requests = np.zeros(len(names), np.int64)
    np.minimum.at(first, which, window)
    np.maximum.at(last, which, window)
    np.add.at(requests, which, n)
    figures = zip(names, first.tolist(), last.tolist(), requests.tolist(), strict=True)
    return {NOTE: json.dumps({name: rest for name, *rest in figures if rest[0] <= rest[1]})}


def noted(where: fs.FileSystem, file: StoredFile) -> list[Seen] | None:
    """Return the revisions in a file from its footer; None when it has no note."""
    with where.open_input_file(file.path) as source:
        metadata = pq.read_metadata(source).metadata or {}
    text = metadata.get(NOTE.encode())
    if text is None:
        return None
    return [
        Seen(file.service, revision, from_ms(first), from_ms(last), requests)
        for revision, (first, last, requests) in json.loads(text).items()
    ]


def total(parts: Iterable[Seen]) -> list[Seen]:
    """Return the sum per service and revision, oldest first."""
    found: dict[tuple[str, str], Seen] = {}
    for part in parts:
        key = (part.service, part.revision)
        known = found.get(key, part)
        requests = part.requests + (known.requests if key in found else 0)
        found[key] = Seen(*key, min(known.first, part.first), max(known.last, part.last), requests)
    return oldest_first(found.values())
