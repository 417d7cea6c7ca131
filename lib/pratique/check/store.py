"""Checks of the store of a service file: what the collector and the judge would meet."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pratique.check.finding import Check, SkippedError, WarnedError
from pratique.check.folders import existing_parent, writable_folder
from pratique.clock import iso, utc_now
from pratique.config import Config, StoreSettings
from pratique.errors import DataError, DeniedError, StorageError
from pratique.number_text import plural
from pratique.store import Store, open_store

if TYPE_CHECKING:
    from pratique.store.condition import Condition

URL = "store.url"
FULL_BYTES = 64 << 20
"""Less free space than this: a write that merges files may fail."""
LOW_BYTES = 1 << 30
SKEW_S = 2.0
"""How far a window may begin in the future: clocks that are kept in step differ by milliseconds."""


def store_checks(config: Config) -> Iterator[Check]:
    """Yield the checks of the store."""
    if config.store.is_points:
        from pratique.check.points import point_checks  # noqa: PLC0415 - influxdb_client

        yield from point_checks(config.store)
        return
    if config.store.points.model_fields_set:
        yield Check("store.points", partial(_unused_points, config.store))
    if config.store.is_prometheus:
        from pratique.check.metrics import metric_checks  # noqa: PLC0415 - requests

        yield from metric_checks(config.store)
        return
    if config.store.is_influxdb:
        from pratique.check.influxdb import influxdb_checks  # noqa: PLC0415 - influxdb_client

        yield from influxdb_checks(config.store)
        return
    look = _DeltaLook(config.store)
    yield Check(URL, look.state)
    if _scheme(config.store.url) in {"", "file"}:
        yield Check(URL, look.space)
    yield Check(URL, look.files)
    yield Check(URL, look.newest_window)


def _unused_points(settings: StoreSettings) -> str:
    raise WarnedError(f"it has no effect: it describes points in InfluxDB, and store.url is {settings.url!r}")


class _DeltaLook:
    """Looks at a Delta store. What follows from a store that cannot be opened is not reported again."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._opened = False

    def state(self) -> str:
        """Whether it answers, can be written and has data."""
        has_data = open_store(self._settings).exists()
        folder = self._folder()
        where = "the address answers" if folder is None else writable_folder(folder)
        self._opened = True
        if folder is not None and has_data:
            _require_writable(folder)
        return f"{where}; {'it has data' if has_data else 'it has no data yet'}"

    def space(self) -> str:
        """Whether its disk has space."""
        self._require_opened()
        return free_space(self._folder() or Path())

    def files(self) -> str:
        """Whether the files that its log names are there."""
        from pratique.store.condition import condition_of  # noqa: PLC0415 - deltalake

        self._require_opened()
        return _files(condition_of(self._settings.url))

    def newest_window(self) -> str:
        """Whether a window is in the future."""
        self._require_opened()
        return newest_window(open_store(self._settings))

    def _folder(self) -> Path | None:
        from pratique.store.location import Location  # noqa: PLC0415 - deltalake

        return Location.of(self._settings.url).folder

    def _require_opened(self) -> None:
        if not self._opened:
            raise SkippedError("not looked at: the store cannot be used")


def newest_window(store: Store) -> str:
    """Confirm that no window of a store is in the future. Raises: WarnedError; as `Store.revisions`."""
    now = utc_now()
    ahead = [seen for seen in store.revisions(None, now) if (seen.last - now).total_seconds() > SKEW_S]
    if ahead:
        seen = max(ahead, key=lambda each: each.last)
        raise WarnedError(
            f"service {seen.service!r} has a window of {iso(seen.last)}, which is in the future: the clock here or that of "
            "its collector is wrong"
        )
    return "no window is in the future"


def free_space(folder: Path) -> str:
    """Describe the free space for a folder that is there or will be made. Raises: StorageError, WarnedError."""
    there = existing_parent(folder)
    free = shutil.disk_usage(there).free
    text = f"{_size(free)} free on the disk of {folder}"
    inodes = os.statvfs(there)
    if free < FULL_BYTES or (inodes.f_files and not inodes.f_favail):
        raise StorageError(f"the disk is full: {text}; free some space, or set a shorter store.retention_days")
    if free < LOW_BYTES:
        raise WarnedError(f"space is low: {text}; free some, or set a shorter store.retention_days")
    return text


def _scheme(url: str) -> str:
    """The scheme of an address; "" for a folder."""
    scheme, there, _ = url.partition("://")
    return scheme.lower() if there else ""


def _require_writable(folder: Path) -> None:
    """Raises: DeniedError when a folder within the store cannot be written."""
    for within in (folder / "_delta_log", *folder.glob("service=*"), *folder.glob("service=*/day=*")):
        if not os.access(within, os.W_OK | os.X_OK):
            raise DeniedError(f"{str(within)!r} cannot be written by this user: change its owner and permissions")


def _files(found: Condition | None) -> str:
    if found is None:
        return "no files yet"
    if found.damaged:
        more = f" (and {len(found.damaged) - 1} more)" if len(found.damaged) > 1 else ""
        raise DataError(
            f"the file {found.damaged[0]!r} that its log names is missing or has another size{more}: restore it from a backup"
        )
    text = f"{plural(found.files, 'file')} with {found.rows:,} rows, {_size(found.size)}; all of them are there"
    if found.unneeded:
        left = f"{text}; no reader needs {found.unneeded} others, {_size(found.unneeded_size)}"
        if found.unneeded_size > found.size:
            raise WarnedError(f"{left}: delete them with: pratique store maintain")
        return left
    return text


def _size(size: float) -> str:
    """Bytes for a person: 1.2 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
