"""Shares and pools: checks, comparison, and the draw of a server. All functions are pure."""

from __future__ import annotations

import re

from pratique.balancer.base import Pool
from pratique.errors import UsageError

SHARE_TOLERANCE = 3e-9
"""Two shares that differ by less are equal: a balancer may store them as integers."""


def same_shares(found: dict[str, float], expected: dict[str, float]) -> bool:
    """Return whether two splits of traffic are equal within SHARE_TOLERANCE."""
    return all(abs(found.get(name, 0.0) - expected.get(name, 0.0)) < SHARE_TOLERANCE for name in found | expected)


def check_pool(pool: Pool) -> None:
    """Check a pool. Raises: UsageError when shares do not sum to 1, or a revision with a share has no server."""
    check_shares(pool.weights)
    for revision, share in pool.weights.items():
        if share > 0 and not pool.servers.get(revision):
            raise UsageError(
                f"revision {revision!r} of {pool.service} has a share of {share:.1%} but no server: start it first"
            )
    for revision, addresses in pool.servers.items():
        for address in addresses:
            _check_address(revision, address)


def check_shares(shares: dict[str, float]) -> None:
    """Check shares. Raises: UsageError when a share is outside 0 to 1, or they do not sum to 1."""
    for revision, share in shares.items():
        if not 0.0 <= share <= 1.0:
            raise UsageError(f"the share of {revision!r} is {share!r}: a share is a number from 0 to 1")
    if abs(sum(shares.values()) - 1.0) > 1e-9:
        raise UsageError(f"the shares {shares!r} sum to {sum(shares.values()):.6g}: they must sum to 1")


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of "host:port"."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _check_address(revision: str, address: str) -> None:
    found = re.fullmatch(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", address)
    if found is None or not 0 < int(found.group(1)) < 1 << 16:
        raise UsageError(f"server {address[:80]!r} of {revision!r} is not an address: write it as HOST:PORT")


def choose(pool: Pool, draw: float, second: float) -> tuple[str, tuple[str, ...]] | None:
    """Choose the revision of a request; return it with its servers in the order to try them. None without shares.

    draw, second: independent uniform numbers in [0, 1). The first chooses the revision, the second its first server:
    the number of servers does not change a revision's share.
    """
    revision = None
    for name, share in pool.weights.items():
        if share > 0:
            revision = name
            if draw < share:
                break
            draw -= share
    if revision is None:
        return None
    servers = pool.servers[revision]
    first = int(second * len(servers))
    return revision, (*servers[first:], *servers[:first])
