"""The status that a HAProxy worker reports, and the map of shares that it reads. Pure."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pratique.balancer.base import Lease, Pool
from pratique.balancer.haproxy.template import decoded, limits, order_of, shares_file, shares_of
from pratique.balancer.lease import State
from pratique.balancer.shares import split_address
from pratique.errors import UnavailableError

CLOCK_TOLERANCE_S = 1.0

_FORCED = 0x01 | 0x08
"""srv_admin_state: SRV_ADMF_FMAINT and SRV_ADMF_FDRAIN (HAProxy's management guide, `show servers state`)."""


@dataclass(frozen=True)
class WorkerStatus:
    """The status of a worker.

    stamp: identifies its configuration. now: HAProxy's clock in seconds, as are the times in `state`.
    up: the number of servers of each revision that pass their check.
    """

    stamp: str
    now: float
    state: State
    up: dict[str, int]

    @property
    def current(self) -> State:
        """The state now, in which an expired lease has ended."""
        return self.state.at(self.now)


def parse_status(answer: str, name: str) -> WorkerStatus:
    """Parse the answer of the control socket. name: of the host. Raises: UnavailableError."""
    try:
        body = json.loads(answer.partition("\r\n\r\n")[2])
        pool = decoded(body["pool"])
        order = order_of(pool)
        shares = {key: round(share, 9) for key, share in shares_of(body["limits"], order).items()}
        # the pool in the configuration has the exact shares, unless they were changed at run time
        if body["limits"] == limits(pool.weights, order):
            shares = dict(pool.weights)
        pool = replace(pool, weights={revision: shares.get(revision, 0.0) for revision in pool.servers})
        ttl_s, lease = body["ttl"] / 1000, None
        if ttl_s > 0 and body["canary"]:
            lease = Lease(order[body["canary"] - 1], order[body["baseline"] - 1], ttl_s, body.get("id", 0))
        now, until = body["now"] / 1000, body["until"] / 1000
        # the same rule as in HAProxy: a lease that ends too far ahead has expired, because the clock was set back
        until = until if until - now <= ttl_s + CLOCK_TOLERANCE_S else now
        state = State(pool, lease, until if lease else math.inf)
        return WorkerStatus(body["stamp"], now, state, dict(zip(order, body["up"], strict=True)))
    except (ValueError, KeyError, IndexError, TypeError) as error:
        first = answer.partition("\r\n")[0][:120]
        raise UnavailableError(f"HAProxy on {name} has no configuration of Pratique: it answers {first!r}") from error


def map_entries(state: State) -> dict[str, int]:
    """Return the entries of the map for a state: limits and lease."""
    until = 0 if state.lease is None else round(state.expires * 1000)
    return shares_file(state.pool.weights, order_of(state.pool), state.lease, until)


def map_text(entries: dict[str, int]) -> str:
    """Return the content of the map file."""
    return "".join(f"{key} {value}\n" for key, value in entries.items())


def limited_revisions(text: str) -> set[str]:
    """Return the limits, by name, that a map file sets."""
    return {line.split(" ")[0] for line in text.splitlines() if line.startswith("limit.")}


def check_results(stat: str, pool: Pool) -> tuple[dict[tuple[str, str], str], bool]:
    """Return the problem of each server, "" if it is healthy, and whether any check has no result yet.

    stat: the answer to `show stat`. The keys are (revision, address).
    """
    rows = csv.DictReader(io.StringIO(stat.removeprefix("# ")))
    status = {(row["pxname"], row["svname"]): (row["status"], row["check_status"]) for row in rows}
    found, waiting = {}, False
    for name, revision, address in _servers(pool):
        up, check = status.get(name, ("?", "INI"))
        passes = up.startswith("UP") and check.lstrip("* ").startswith("L7OK")
        unfinished = check.startswith("*") or check in ("INI", "")
        waiting = waiting or unfinished or (up.startswith("UP") and not passes)
        found[revision, address] = "" if passes else f"{up} {check}"
    return found, waiting


def manual_changes(servers_state: str, pool: Pool) -> list[str]:
    """Return a sentence for each server that was changed by hand.

    servers_state: the answer to `show servers state`.
    """
    addresses = {name: address for name, _, address in _servers(pool)}
    lines = servers_state.splitlines()
    names = next((line[2:].split() for line in lines if line.startswith("# be_id")), [])
    found: list[str] = []
    for line in lines:
        row = dict(zip(names, line.split(" "), strict=False))
        address = addresses.get((row.get("be_name", ""), row.get("srv_name", "")))
        if address is not None:
            found += _changes_of(row, address)
    return found


def _changes_of(row: dict[str, str], address: str) -> Iterator[str]:
    host, port = split_address(address)
    if row["srv_port"] != str(port) or (host[:1].isdigit() and row["srv_addr"] != host):
        yield f"{address} was changed to {row['srv_addr']}:{row['srv_port']}"
    if int(row["srv_admin_state"]) & _FORCED:
        yield f"{address} was set to maintenance or drain by hand"


def _servers(pool: Pool) -> Iterator[tuple[tuple[str, str], str, str]]:
    """Yield HAProxy's name of each server (backend, server), its revision and its address."""
    for revision, addresses in pool.servers.items():
        for at, address in enumerate(addresses):
            yield (f"{pool.service}.{revision}", f"s{at}"), revision, address
