"""Seeded streams that the rows share, and the analysis of a store."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import timedelta

import numpy as np
import pyarrow as pa

from pratique.incident.history import History, learn
from pratique.incident.investigate import investigate
from pratique.incident.measures import Investigation
from support.incident_stories import MINUTES, START, MemoryStore, Traffic

SEED = 20261120
END = START + timedelta(minutes=MINUTES)
WINDOWS, DAY = 120, 1440
SHARE = 0.005


def rng_of(*names: object) -> np.random.Generator:
    """A generator for each row, the same in every run."""
    return np.random.default_rng([SEED, zlib.crc32(repr(names).encode())])


def stream(
    rng: np.random.Generator, rate: int, factor: np.ndarray, wandering: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bad requests of a day and of the range by minute, with an AR(1) level, and the requests of the range."""
    total = DAY + WINDOWS
    level = autoregressive(rng, total, wandering)
    mean = rate * SHARE * level * np.concatenate([np.ones(DAY), factor])
    bad = rng.poisson(mean)
    return bad[:DAY], bad[DAY:], np.full(WINDOWS, rate)


def autoregressive(rng: np.random.Generator, length: int, sd: float, memory: float = 0.8) -> np.ndarray:
    """Levels with mean 1, a standard deviation of their log, and a correlation from step to step."""
    noise = rng.standard_normal(length + 50) * sd * np.sqrt(1 - memory**2)
    path = np.zeros(length + 50)
    for at in range(1, length + 50):
        path[at] = memory * path[at - 1] + noise[at]
    return np.exp(path[50:] - sd**2 / 2)


def learned(past: np.ndarray, rate: int) -> History:
    """The history in blocks of ten minutes."""
    blocks = past.reshape(-1, 10).sum(axis=1)
    return learn(blocks, np.full(len(blocks), 10 * rate), alpha=0.01, tolerated=1.5)


def wander(traffic: Traffic, rng: np.random.Generator, sd: float = 0.2) -> Traffic:
    """Let the share of bad requests of the whole service wander."""
    traffic.share *= autoregressive(rng, len(traffic.n), sd)[None, :, None, None, None]
    return traffic


def analysed(rows: list[pa.Table], outcome: str = "5xx", changes: Iterable = ()) -> Investigation:
    """The analysis of a store with these rows."""
    return investigate(MemoryStore.of(*rows), "shop", outcome, start=START, end=END, changes=tuple(changes))
