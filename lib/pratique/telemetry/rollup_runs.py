"""Add up more rollups than fit into memory: sorted runs on disk, merged a range of windows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pratique.errors import StorageError
from pratique.telemetry.rollups import SCHEMA, Rollups

MOST_IN_MEMORY = 75_000
"""Rows in memory; more become a run on disk."""


class RollupRuns:
    """The sum of rollups.

    A run is a file without a name, which the system removes with the process. Rows of one window may be in several runs; within a run they are sorted by window, as `Rollups.merge` leaves them.
    """

    def __init__(self, folder: Path) -> None:
        """folder: where runs are written, if any are needed."""
        self._folder = folder
        self._runs: list[pa.Table] = []
        self._rows = Rollups.empty()

    def add(self, rollups: Rollups) -> None:
        """Add rollups. Raises: StorageError when a run cannot be written."""
        self._rows = self._rows.merge(rollups)
        if len(self._rows) > MOST_IN_MEMORY:
            self._write_run()

    def parts(self) -> Iterator[Rollups]:
        """Yield the sum, oldest windows first, in parts that fit into memory: one part where no run was needed."""
        if not self._runs:
            yield self._rows
            return
        self._write_run()
        windows = [run["window"].cast(pa.int64()).to_numpy() for run in self._runs]
        middle = [[int(np.searchsorted(window, bound)) for window in windows] for bound in _bounds(windows)]
        starts = [[0] * len(windows), *middle, [len(window) for window in windows]]
        for first, end in pairwise(starts):
            slices = [run.slice(a, b - a) for run, a, b in zip(self._runs, first, end, strict=True)]
            yield Rollups(pa.concat_tables(slices)).merge(Rollups.empty())

    def _write_run(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(prefix="import-", dir=self._folder) as file:
                with pa.ipc.new_file(file, SCHEMA) as writer:
                    writer.write_table(self._rows.table)
                file.flush()
                self._runs.append(pa.ipc.open_file(pa.memory_map(file.name)).read_all())
        except OSError as error:
            raise StorageError(
                f"folder {str(self._folder)!r} cannot be written: {error.strerror or error}; nothing was stored"
            ) from error
        self._rows = Rollups.empty()


def _bounds(windows: list[npt.NDArray[np.int64]]) -> list[int]:
    """Return starts of windows that divide all rows into parts of about twice MOST_IN_MEMORY: inputs need no memory by then."""
    ordered = np.sort(np.concatenate(windows))
    return [int(bound) for bound in np.unique(ordered[2 * MOST_IN_MEMORY :: 2 * MOST_IN_MEMORY])]
