"""A process that uses a store, for tests with several: `python store_child.py write|read|share STORE …`."""

import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from contract.store_contract import T0, rollups, row
from pratique.store import open_store

ROWS = 12
"""Number of rows in a batch."""


def batch(number, source="collector"):
    """The rows of a batch; every third batch replaces the rows of the batch before it."""
    window = 60 + (number - 1 if number % 3 == 2 else number)
    return [row(window, action=f"GET /{part}", n=1000 * number, source=source) for part in range(ROWS)]


def write(url, first, how_many):
    """Write batches one by one; print when each begins and when it is acknowledged."""
    store = open_store(url)
    print("ready", flush=True)
    for number in range(int(first), int(first) + int(how_many)):
        print("begin", number, flush=True)
        store.write(rollups(*batch(number)))
        print("done", number, flush=True)


def read_last(url, until):
    """Read like `read`, but only a short range with the windows."""
    read(url, until, T0 + timedelta(seconds=590), T0 + timedelta(seconds=1190))


def read(url, until, *between):
    """Read repeatedly until `until` windows exist; no read may see a part of a write."""
    store = open_store(url)
    print("ready", flush=True)
    reads = seen = 0
    while seen < int(until):
        rows = store.read("shop", ["r1"], *between).table.to_pylist()
        found = Counter((values["window"], values["n"]) for values in rows)
        assert set(found.values()) <= {ROWS}, f"part of a write was seen: {found}"
        assert len({window for window, _ in found}) == len(found), "a row was seen beside the one that replaces it"
        assert len(found) >= seen, "a later read saw less"
        requests = sum(revision.requests for revision in store.revisions())
        assert requests >= sum(values["n"] for values in rows), "DuckDB saw less than was there before"
        seen, reads = len(found), reads + 1
    print("reads", reads, flush=True)


def share(url, name, how_many):
    """Write batches; other processes write half of the rows too."""
    store = open_store(url)
    for number in range(int(how_many)):
        store.write(rollups(*batch(number, source="shared"), *batch(number, source=name)))


if __name__ == "__main__":
    {"write": write, "read": read, "read_last": read_last, "share": share}[sys.argv[1]](*sys.argv[2:])
