"""Shares of the traffic, by revision, each between 0 and 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def all_to(revision: str, revisions: Iterable[str]) -> dict[str, float]:
    """Return the shares of `revisions` that give all of the traffic to one of them."""
    return {name: float(name == revision) for name in revisions}


def percents(shares: Mapping[str, float]) -> str:
    """Return shares as text: "r1 95 %, r2 5 %"."""
    return ", ".join(f"{revision} {share * 100:.4g} %" for revision, share in shares.items())
