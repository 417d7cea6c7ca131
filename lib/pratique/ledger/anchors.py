"""Where the hashes of the ledger are kept a second time, and the comparison with them.

A hash chain alone shows a mistake, not intent: whoever can write the file can hash it again, or put an older copy in its
place. So the number and hash of each entry are also appended to a file beside the ledger, each run keeps those of its
last entry in its result.json, and each verdict as JSON has those of the last entry before it. Whoever changes the ledger
must find and change all of them.
"""

from __future__ import annotations

import fcntl
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pratique.errors import DataError
from pratique.files import open_private
from pratique.kept_json import read_kept


@dataclass(frozen=True)
class Anchor:
    """The hash that an entry had when it was written. where: the file that kept it."""

    number: int
    hash: str
    where: Path


_WHOLE = re.compile(r"([1-9][0-9]{0,17}) ([0-9a-f]{64})")
_TORN = re.compile(r"[1-9][0-9]{0,17}( [0-9a-f]{0,64})?")
"""A line of heads, and one that a power cut left incomplete, which only the last one can be."""


def heads_path(ledger: Path) -> Path:
    """Return the path of the file that keeps the number and hash of each entry: "ledger.heads" for "ledger.sqlite"."""
    return ledger.with_suffix(".heads")


def keep_head(ledger: Path, number: int, digest: str) -> None:
    """Append the number and hash of a new entry. If that fails, the next one stands for both: it follows from this one."""
    path = heads_path(ledger)
    with suppress(OSError), open_private(path, "ab", buffering=0) as file:
        if file.tell() and not path.read_bytes().endswith(b"\n"):
            _cut_torn(file, path)
        # one write of a short line: several processes append at once
        file.write(f"{number} {digest}\n".encode())


def _cut_torn(file: BinaryIO, path: Path) -> None:
    """Cut off the line that a power cut left incomplete: behind it, only damage can leave such a line."""
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        content = path.read_bytes()
        torn = content[content.rfind(b"\n") + 1 :]
        # another process may have done it meanwhile; an end that begins no line stays to be found
        if torn and _TORN.fullmatch(torn.decode("ascii", "replace")):
            file.truncate(len(content) - len(torn))
        elif torn:
            file.write(b"\n")
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def check_heads(ledger: Path, entries: int) -> None:
    """Check that the kept hashes of a ledger were not emptied. Raises: DataError."""
    path = heads_path(ledger)
    # a program that died while it wrote the first line leaves an empty file
    if entries > 1 and path.is_file() and path.stat().st_size == 0:
        raise DataError(
            f"{str(path)!r} is empty, and {ledger} has {entries:,} entries: restore it from a backup, or compare the ledger "
            "with a result.json kept elsewhere, then delete it"
        )


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


def anchors_of(path: Path) -> list[Anchor]:
    """Return what a file that was kept elsewhere knows: a report or result.json, or a copy of ledger.heads.

    Raises: DataError when it knows nothing of a ledger.
    """
    try:
        is_json = path.read_bytes().lstrip()[:1] == b"{"
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}: check the path") from error
    found = list(_of_result(path) if is_json else _heads(path))
    if not found:
        raise DataError(
            f"{str(path)!r} has no entry of a ledger: give the JSON of a report, a result.json or a copy of ledger.heads"
        )
    return found


def _heads(path: Path) -> Iterator[Anchor]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}: check its permissions") from error
    *whole, last = content.decode("ascii", "replace").split("\n")
    for at, line in enumerate(whole, start=1):
        found = _WHOLE.fullmatch(line)
        if found is not None:
            yield Anchor(int(found[1]), found[2], path)
        else:
            raise _damaged(path, at)
    if last and not _TORN.fullmatch(last):
        raise _damaged(path, len(whole) + 1)


def _damaged(path: Path, line: int) -> DataError:
    return DataError(
        f"{str(path)!r}: line {line} is damaged: compare the ledger with another copy of this file, then delete it"
    )


def _results(runs: Path) -> Iterator[Anchor]:
    for path in sorted(runs.glob("*/result.json")):
        with suppress(FileNotFoundError):
            yield from _of_result(path)


def _of_result(path: Path) -> Iterable[Anchor]:
    """What a JSON file knows; nothing for one of a version that kept nothing, or of a verdict without a ledger."""
    try:
        kept = read_kept(path, dict[str, Any]).get("ledger")
        return [] if kept is None else [Anchor(int(kept["entry"]), str(kept["hash"]), path)]
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}: check its permissions") from error
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise DataError(
            f"{str(path)!r} is {'empty' if not path.stat().st_size else 'damaged'}, and the ledger cannot be compared with it: "
            "restore it from a backup, or delete it"
        ) from error
