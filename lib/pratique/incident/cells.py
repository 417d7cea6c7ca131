"""The traffic by revision, action, code and host: counts of its leaf cells, and what is expected of them.

A leaf is one value in each of the four dimensions; a cuboid is a choice of dimensions, and a cell of it has one value in each of
these. Requests are those of a revision, action and host: every code has the same ones. Values are whole numbers here; their
names come back in the answer only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pratique.incident.history import FEWEST_BLOCKS, WITHOUT_HISTORY
from pratique.incident.shapes import Mask
from pratique.judge.dispersion import CAP, MEDIAN_OF_CHI_SQUARE
from pratique.judge.hypergeometric import Floats, Ints

DIMENSIONS = ("revision", "action", "code", "host")
REVISION, ACTION, CODE, HOST = range(4)
SERVED_BY = (REVISION, ACTION, HOST)
"""The dimensions of a request; its code is known afterwards."""
BACK_OFF = 50.0
"""Requests that the share of the coarser cell counts for, at least."""
BACK_OFF_BAD = 2.0
"""Expected bad requests that it counts for, at least: a cell without any in the history need not have a share of nearly 0."""
COARSER = ((CODE,), (ACTION, CODE), (ACTION, CODE, HOST), (REVISION, ACTION, CODE, HOST))
"""Which cells the expectation is drawn to, the coarsest first: a new revision is like the others at its action and host."""

FEW_BAD = 1.0
"""Expected bad requests of a leaf in a block, at most, for its variance to show whether bad requests come together."""


@dataclass(frozen=True)
class Cells:
    """Leaf cells after the start of a rise, and what the history leads to expect of them.

    names: of the values of each dimension. keys: values of each leaf, shape (4, leaves). bad, n: after the start.
    bad_before, n_before: in the history. expected: bad ones after the start if nothing had changed. spread: relative variance of
    each cuboid's cells between blocks of the history, by its dimensions. blocks: of the history. clustered: by how much the variance of
    small counts is above their mean, as a multiple of it.
    """

    names: tuple[tuple[str, ...], ...]
    keys: Ints
    bad: Ints
    n: Ints
    bad_before: Ints
    n_before: Ints
    expected: Floats
    spread: dict[tuple[int, ...], float]
    blocks: int
    clustered: float = 0.0

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each dimension."""
        return tuple(len(names) for names in self.names)

    @property
    def requests(self) -> tuple[float, float]:
        """Requests before and after, each counted once and not once a code."""
        first = self.keys[CODE] == 0
        return float(self.n_before[first].sum()), float(self.n[first].sum())

    def cuboids(self) -> list[tuple[int, ...]]:
        """Return all choices of dimensions that have more than one value; the empty one is the whole service."""
        return cuboids_of(self.sizes)

    def cell_of(self, dimensions: Sequence[int]) -> tuple[Ints, int]:
        """Return the cell of a cuboid that each leaf belongs to, and how many numbers of cells there are."""
        return cell_numbers(self.keys, self.sizes, dimensions)

    def phi(self, dimensions: tuple[int, ...], expected: Floats) -> Floats:
        """Return φ of cells with that many expected bad requests: 1 + r e."""
        least = 1.0 if self.blocks >= FEWEST_BLOCKS else WITHOUT_HISTORY
        return np.maximum(1.0 + self.spread.get(dimensions, 0.0) * expected, least)


def cuboids_of(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return all choices of dimensions that have more than one value; the empty one is the whole service."""
    several = [dimension for dimension, size in enumerate(sizes) if size > 1]
    return [chosen for count in range(len(several) + 1) for chosen in combinations(several, count)]


def cell_numbers(keys: Ints, sizes: Sequence[int], dimensions: Sequence[int]) -> tuple[Ints, int]:
    """Return a number for the values of some dimensions, shape (leaves,), and the limit of these numbers.

    Numbers without a leaf occur only where the product of the sizes is small; otherwise numbers are consecutive.
    """
    number, limit = np.zeros(keys.shape[1], np.int64), 1
    for dimension in dimensions:
        number = number * sizes[dimension] + keys[dimension]
        limit *= sizes[dimension]
        if limit > 4 * max(keys.shape[1], 256):
            found, number = np.unique(number, return_inverse=True)
            limit = len(found)
    return number, limit


def block_count(block: Ints) -> int:
    """Return the number of blocks. block: of each entry, numbered from 0."""
    return int(block.max()) + 1 if len(block) else 0


def by_block(cell: Ints, limit: int, block: Ints, values: Ints | Floats) -> Floats:
    """Return the sums of values over cells and blocks, shape (limit, blocks). cell, block, values: one for each leaf in each block."""
    blocks = block_count(block)
    return np.asarray(np.bincount(cell * blocks + block, values, limit * blocks).reshape(limit, blocks), np.float64)


def expected_shares(
    keys: Ints,
    sizes: Sequence[int],
    bad: Ints | Floats,
    n: Ints | Floats,
    *,
    coarser: Sequence[Sequence[int]] = COARSER,
) -> Floats:
    """Return the share of bad requests that the history leads to expect of each leaf, shape (leaves,).

    From the coarsest cell to the leaf, each share is drawn to that of the coarser cell with the weight of BACK_OFF requests
    or BACK_OFF_BAD bad ones, whichever is more. coarser: dimensions of these cells, the coarsest first.
    """
    share = np.zeros(keys.shape[1])
    for level, dimensions in enumerate(coarser):
        number, limit = cell_numbers(keys, sizes, dimensions)
        cell_bad, cell_n = (np.bincount(number, values, limit)[number] for values in (bad, n))
        if level == 0:
            share = (cell_bad + 0.5) / (cell_n + 1.0)
        else:
            weight = np.maximum(BACK_OFF, BACK_OFF_BAD / share)
            share = (cell_bad + weight * share) / (cell_n + weight)
    return share


def spreads(
    keys: Ints,
    sizes: Sequence[int],
    cuboids: Sequence[tuple[int, ...]],
    leaf: Ints,
    block: Ints,
    bad: Ints,
    mean: Floats,
) -> dict[tuple[int, ...], float]:
    """Return the relative variance of each cuboid's cells from block to block, beyond that of independent requests.

    leaf, block, bad, mean: one entry for each leaf in each block: its leaf, its block, bad ones, and expected ones.
    """
    blocks = block_count(block)
    found: dict[tuple[int, ...], float] = {}
    for dimensions in cuboids:
        number, limit = cell_numbers(keys, sizes, dimensions)
        cell_bad, cell_mean = (by_block(number[leaf], limit, block, values) for values in (bad, mean))
        lost = blocks / max(blocks - 1.0, 1.0)
        beyond = lost * _of_usual_blocks((cell_bad - cell_mean) ** 2, cell_mean) - float(cell_mean.sum())
        found[dimensions] = max(0.0, beyond / max(float((cell_mean**2).sum()), 1e-12))
    return found


def clustering(bad: Ints, mean: Floats) -> float:
    """Return by how much the variance of small counts is above their mean, as a multiple of it: bad requests may come together.

    bad, mean: one entry for each leaf in each block, bad requests and expected ones. A share that wanders shows in large counts only.
    """
    few = mean <= FEW_BAD
    total = float(mean[few].sum())
    return max(0.0, float(((bad[few] - mean[few]) ** 2).sum()) / total - 1.0) if total else 0.0


def _of_usual_blocks(squares: Ints | Floats, mean: Ints | Floats) -> float:
    """The sum of squares of the cells, shape (cells, blocks); a block counts for at most CAP typical ones: it may hold an incident of one cell."""
    if not squares.size:
        return 0.0
    of_block, scale = squares.sum(axis=0), mean.sum(axis=0)
    served = scale > 0
    typical = float(np.median(of_block[served] / scale[served])) / MEDIAN_OF_CHI_SQUARE if served.any() else 1.0
    return float(np.minimum(of_block, CAP * max(1.0, typical) * np.maximum(scale, 1.0)).sum())


def members(keys: Ints, values: Sequence[int | None]) -> Mask:
    """Return which leaves belong to a cell. values: one in each dimension, None for all."""
    inside = np.ones(keys.shape[1], bool)
    for key, value in zip(keys, values, strict=True):
        if value is not None:
            inside &= key == value
    return inside
