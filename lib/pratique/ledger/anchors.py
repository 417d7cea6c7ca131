"""Where the hashes of the ledger are kept a second time, and the comparison with them.

A hash chain alone shows a mistake, not intent: whoever can write the file can hash it again, or put an older copy in its
place. So the number and hash of each entry are also appended to a file beside the ledger, and each run keeps those of its
last entry in its result.json. Whoever changes the ledger must find and change all of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pratique.errors import DataError
from pratique.files import open_private
from pratique.kept_json import read_kept


@dataclass(frozen=True)
class Anchor:
    """The hash that an entry had when it was written. where: the file that kept it."""

    number: int
    hash: str
    where: Path


def heads_path(ledger: Path) -> Path:
    """Return the path of the file that keeps the number and hash of each entry: "ledger.heads" for "ledger.sqlite"."""
    return ledger.with_suffix(".heads")


def keep_head(ledger: Path, number: int, digest: str) -> None:
    """Append the number and hash of a new entry. If that fails, the next one stands for both: it follows from this one."""
    with suppress(OSError), open_private(heads_path(ledger), "ab", buffering=0) as file:
        # one write of a short line: several processes append at once
        file.write(f"{number} {digest}\n".encode())


def read_anchors(ledger: Path) -> list[Anchor]:
    """Return everything that was kept about the entries of a ledger. Read it before the ledger, which may grow."""
    return [*_heads(heads_path(ledger)), *_results(ledger.parent / "runs")]


def compare(ledger: Path, hashes: Sequence[str], anchors: Sequence[Anchor]) -> None:
    """Compare the hashes of the entries, the first one first, with the kept ones.

    Raises: DataError naming the first entry that is missing or differs, and the file that knows it.
    """
    for anchor in sorted(anchors, key=lambda anchor: anchor.number):
        if anchor.number > len(hashes):
            raise DataError(
                f"ledger {ledger}: entry {anchor.number} is missing, but {anchor.where} knows it: the end was cut off, or this "
                "is an older copy: restore the newest one"
            )
        if hashes[anchor.number - 1] != anchor.hash:
            raise DataError(
                f"ledger {ledger}: entry {anchor.number} is not the one that {anchor.where} knows: the ledger was rewritten "
                f"from an entry up to {anchor.number} on: restore it from a backup"
            )


def check_schema(connection: sqlite3.Connection, ledger: Path, schema: str) -> None:
    """Check that table, index and triggers of a ledger are those of `schema`. Raises: DataError naming the first that is not."""
    with sqlite3.connect(":memory:") as fresh:
        fresh.executescript(schema)
        wanted = _parts(fresh)
    fresh.close()
    found = _parts(connection)
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            how = "is missing" if name not in found else "was added" if name not in wanted else "was changed"
            raise DataError(
                f"ledger {ledger}: its {name} {how}: somebody opened the file for changes: restore it from a backup"
            )


def _parts(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute("SELECT type || ' ' || name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
    return {name: " ".join(sql.split()) for name, sql in rows}


def _heads(path: Path) -> Iterator[Anchor]:
    try:
        # a line that a power cut left incomplete has no newline
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}: check its permissions") from error
    for line in lines:
        number, _, digest = line.decode("ascii", "replace").partition(" ")
        if number.isdigit():
            yield Anchor(int(number), digest, path)


def _results(runs: Path) -> Iterator[Anchor]:
    for path in sorted(runs.glob("*/result.json")):
        with suppress(OSError, ValueError, KeyError, TypeError, OverflowError):
            kept = read_kept(path, dict[str, Any])["ledger"]
            yield Anchor(int(kept["entry"]), str(kept["hash"]), path)
