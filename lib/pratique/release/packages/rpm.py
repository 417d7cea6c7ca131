"""Packages of Red Hat, Fedora and SUSE: the database in SQLite, with one header blob a package.

Source: rpm's "Package format", "Header structure": counts of index entries and of data bytes, then the entries
(tag, type, offset, count), then the data, all big-endian. Databases in Berkeley DB and ndb are not read.
"""

from __future__ import annotations

import itertools
import sqlite3
import struct
from collections.abc import Iterator

from pratique.release.packages.model import Facts, Package, paths_of

FOLDERS = ("/var/lib/rpm/", "/usr/lib/sysimage/rpm/", "/usr/share/rpm/")
SQLITE, OTHERS = "rpmdb.sqlite", {"Packages": "Berkeley DB", "Packages.db": "ndb"}
NOT_WRITTEN = "rpmdb.sqlite-wal"
NAME, VERSION, RELEASE, EPOCH, ARCHITECTURE = 1000, 1001, 1002, 1003, 1022
FOLDER_OF_FILE, FILES, FILE_FOLDERS = 1116, 1117, 1118
INT32, STRING, STRINGS, TRANSLATED = 4, 6, 8, 9
MOST_ENTRIES, MOST_VALUES = 10_000, 1_000_000
LONGEST_BLOB = 16 << 20
STEPS, MOST_STEPS = 100_000, 500
"""Instructions of SQLite between two looks, and so many looks."""


def is_read(path: str) -> bool:
    """Return whether `read` knows the file."""
    name = next((path[len(folder) :] for folder in FOLDERS if path.startswith(folder)), "")
    return name in {SQLITE, NOT_WRITTEN, *OTHERS}


def read(path: str, content: bytes) -> Facts:
    """Return the packages with their files. Raises: ValueError, struct.error for damaged headers."""
    name = path.rpartition("/")[2]
    if name == NOT_WRITTEN:
        return Facts(
            unread=(("rpm", "the database has changes in its write-ahead log, which is not read"),) if content else ()
        )
    if name in OTHERS:
        return Facts(unread=(("rpm", f"the database is in {OTHERS[name]}, which is not supported"),))
    packages, owned = [], []
    for blob in _blobs(content):
        header = _header(blob)
        package = _package(header)
        packages.append(package)
        owned.append((package.name, paths_of(_files(header))))
    return Facts(packages=tuple(packages), owned=tuple(owned))


def _blobs(content: bytes) -> Iterator[bytes]:
    """Yield the header blobs of a database, which is opened in memory; in it, a database that logs ahead is a plain one."""
    plain = content[:18] + b"\x01\x01" + content[20:] if content[18:20] == b"\x02\x02" else content
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(plain)
        connection.execute("PRAGMA trusted_schema=OFF")
        # a table may compute its values
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_BLOB)
        steps = itertools.count()
        connection.set_progress_handler(lambda: next(steps) > MOST_STEPS, STEPS)
        if connection.execute("SELECT type FROM sqlite_master WHERE name = 'Packages'").fetchone() != ("table",):
            raise ValueError("no table of packages")
        for (blob,) in connection.execute("SELECT blob FROM Packages"):
            yield bytes(blob)
    except sqlite3.Error as error:
        raise ValueError(str(error)) from error
    finally:
        connection.close()


def _header(blob: bytes) -> dict[int, list[str] | list[int]]:
    entries, size = struct.unpack_from(">II", blob)
    if entries > MOST_ENTRIES or 8 + 16 * entries + size > len(blob):
        raise ValueError("a header that is longer than its record")
    data = blob[8 + 16 * entries : 8 + 16 * entries + size]
    wanted = {NAME, VERSION, RELEASE, EPOCH, ARCHITECTURE, FOLDER_OF_FILE, FILES, FILE_FOLDERS}
    found: dict[int, list[str] | list[int]] = {}
    for number in range(entries):
        tag, kind, offset, count = struct.unpack_from(">IIII", blob, 8 + 16 * number)
        if tag in wanted and count <= MOST_VALUES:
            if kind == INT32:
                found[tag] = list(struct.unpack_from(f">{count}I", data, offset))
            elif kind in {STRING, STRINGS, TRANSLATED}:
                texts = data[offset:].split(b"\0", count)[:count]
                found[tag] = [text.decode("utf-8", "replace") for text in texts]
    return found


def _package(header: dict[int, list[str] | list[int]]) -> Package:
    name, version, release = (str(header[tag][0]) for tag in (NAME, VERSION, RELEASE))
    epoch = f"{header[EPOCH][0]}:" if header.get(EPOCH) and header[EPOCH][0] else ""
    architecture = str(header[ARCHITECTURE][0]) if header.get(ARCHITECTURE) else ""
    return Package("rpm", name, f"{epoch}{version}-{release}", architecture, "rpm")


def _files(header: dict[int, list[str] | list[int]]) -> Iterator[str]:
    names, folders, places = (list(header.get(tag, ())) for tag in (FILES, FILE_FOLDERS, FOLDER_OF_FILE))
    for name, place in zip(names, places, strict=False):
        if isinstance(place, int):
            yield f"{folders[place]}{name}"
