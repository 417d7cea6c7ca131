"""Earlier incidents of a part of the traffic: blocks of history that say nothing about what is usual in that part.

The history of the service is used without the blocks in which the service itself had an incident (`history.learn`). An incident of one
action or host does not show there, but it raises the expectation of just that part, and hides the next incident of it. Each cell's blocks
are therefore compared with their median, and the leaves of a cell are left out of the history in the blocks that are shown to be above it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pratique.incident.cells import block_count, by_block, cell_numbers
from pratique.incident.history import log_ratio_evidence
from pratique.incident.shapes import Mask
from pratique.judge.dispersion import MEDIAN_OF_CHI_SQUARE
from pratique.judge.hypergeometric import Floats, Ints

FEWEST_BLOCKS = 4
"""Blocks that a cell has at least: the median of fewer may be one with an incident."""
FEWEST_BAD = 8
"""Bad requests of a block with an incident, at least."""
ABOVE_MEDIAN = math.log(2.0)
"""How far the mean of a Poisson count may be above its median (Choi 1994)."""


def usual_entries(
    keys: Ints,
    sizes: Sequence[int],
    cuboids: Sequence[tuple[int, ...]],
    leaf: Ints,
    block: Ints,
    bad: Ints,
    n: Ints,
    *,
    alpha: float,
    tolerated: float,
) -> Mask:
    """Return which entries of the history are in no cell that is shown to have an incident in their block.

    leaf, block, bad, n: one entry for each leaf in each block: its leaf, its block, bad requests, requests. A cell has an incident in a block
    when the evidence that it is above the tolerated ratio to the median of its blocks reaches blocks times cells / alpha.
    """
    usual = np.ones(len(leaf), bool)
    blocks = block_count(block)
    if blocks < FEWEST_BLOCKS:
        return usual
    # the finest cells first: what they leave out does not show in the coarser ones, which hold leaves that were well
    for dimensions in sorted(cuboids, key=len, reverse=True):
        number, limit = cell_numbers(keys, sizes, dimensions)
        cell = number[leaf]
        cell_bad, cell_n = (by_block(cell, limit, block, of * usual) for of in (bad, n))
        looked_at = np.flatnonzero(cell_bad.max(axis=1) >= FEWEST_BAD)
        needed = math.log(blocks * max(int((cell_n > 0).any(axis=1).sum()), 1) / alpha)
        incident = np.zeros((limit, blocks), bool)
        incident[looked_at] = _above_median(cell_bad[looked_at], cell_n[looked_at], tolerated) >= needed
        usual &= ~incident[cell, block]
    return usual


def _above_median(bad: Floats, n: Floats, tolerated: float) -> Floats:
    """The log evidence that a block is above the tolerated ratio to the median of its cell. bad, n: shape (cells, blocks)."""
    served = n > 0
    share = np.divide(bad, n, out=np.full(bad.shape, np.inf), where=served)
    usual = _median(share, served)[:, None] * n
    squares = np.where(served, (bad - usual) ** 2 / np.maximum(usual, 1e-9), np.inf)
    phi = np.maximum(_median(squares, served) / MEDIAN_OF_CHI_SQUARE, 1.0)[:, None]
    enough = (served.sum(axis=1) >= FEWEST_BLOCKS)[:, None] & (bad >= FEWEST_BAD)
    found = np.full(bad.shape, -np.inf)
    phi = np.broadcast_to(phi, bad.shape)
    found[enough] = log_ratio_evidence(bad[enough], tolerated * usual[enough] + ABOVE_MEDIAN, phi[enough])
    return found


def _median(values: Floats, served: Mask) -> Floats:
    """The median of each row over the served blocks; values of the others are infinite."""
    ordered, count = np.sort(values, axis=1), served.sum(axis=1)
    rows = np.arange(len(values))
    low, high = (np.minimum(np.maximum(count + by, 0) // 2, values.shape[1] - 1) for by in (-1, 0))
    return np.asarray((ordered[rows, low] + ordered[rows, high]) / 2.0, np.float64)
