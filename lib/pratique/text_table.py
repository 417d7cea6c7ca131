"""Tables as plain text: aligned columns for a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for each row, with two spaces between columns that are as wide as their longest cell.

    rows: all with the same number of cells.

    >>> aligned([("revision", "requests"), ("r1", "1,200"), ("r2", "")])
    ['revision  requests', 'r1        1,200', 'r2']
    """
    return ["  ".join(row).rstrip() for row in padded(rows)]


def padded(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the cells of each row as wide as the longest of their column, for tables that colour a cell.

    rows: all with the same number of cells.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
