"""Group windows into blocks: runs of equal numbers, and sums over blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pratique.judge.hypergeometric import Floats, Ints


def spans(block: Ints) -> Iterator[tuple[int, slice]]:
    """Yield each run of equal numbers: the number and its slice."""
    if len(block) == 1:  # one more window of a release
        yield int(block[0]), slice(0, 1)
        return
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(block)], strict=True):
        yield int(block[start]), slice(start, end)


def by_block(window: Ints, values: Ints | Floats, block: int) -> Floats:
    """Return sums over blocks of `block` windows; shape (windows, units) to (blocks, units)."""
    starts = np.flatnonzero(np.diff(window // block, prepend=-1))
    return np.asarray(np.add.reduceat(values, starts, axis=0) if len(starts) else values, np.float64)
