"""The windows of a planned rollout, later ones joined to larger cells: a plan needs no finer steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pratique.judge.hypergeometric import Floats, Ints

GROWTH = 0.07
"""Length of a cell, as a part of the time before it."""


@dataclass(frozen=True)
class Timeline:
    """Cells of consecutive windows. All arrays are of shape (cells,).

    last: number of the last window of each cell, from 0. length: windows in it. share: the canary's part of the traffic.
    minutes: from the start to the end of each cell.
    """

    last: Ints
    length: Ints
    share: Floats
    minutes: Floats

    def __len__(self) -> int:
        return len(self.last)

    def until(self, cells: int) -> Timeline:
        """Return the first cells."""
        return Timeline(self.last[:cells], self.length[:cells], self.share[:cells], self.minutes[:cells])

    def requests(self, per_minute: float) -> Floats:
        """Return the expected requests of each arm in each cell, baseline first, shape (2, cells)."""
        total = self.length * per_minute * self.minutes[0] / self.length[0]
        return np.stack([total * (1.0 - self.share), total * self.share])


def timeline(stages: Sequence[float], min_windows: int, window_s: int, limit_min: float) -> Timeline:
    """Return the windows of a rollout without problems: each stage as short as possible, the last without end.

    stages: percent, rising. limit_min: minutes to cover at least.
    """
    last, length, share = [], [], []
    at, windows = 0, max(int(limit_min * 60 / window_s), len(stages) * min_windows)
    while at < windows:
        stage = min(at // min_windows, len(stages) - 1)
        size = max(1, int(GROWTH * at))
        if stage < len(stages) - 1:
            size = min(size, (stage + 1) * min_windows - at)
        at += size
        last.append(at - 1)
        length.append(size)
        share.append(min(stages[stage], 99.9) / 100.0)
    ends = np.array(last)
    return Timeline(ends, np.array(length), np.array(share), (ends + 1) * window_s / 60.0)
