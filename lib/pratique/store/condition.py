"""The condition of a Delta store: whether every file that its log names is there, and which files nobody needs."""

from __future__ import annotations

from dataclasses import dataclass

from pyarrow import fs

from pratique.store.delta_log import DeltaLog
from pratique.store.failures import translated
from pratique.store.location import Location
from pratique.store.snapshot import Snapshot


@dataclass(frozen=True)
class Condition:
    """What a Delta store holds. size, unneeded_size: bytes. damaged: files that are missing or have another size."""

    files: int
    rows: int
    size: int
    damaged: tuple[str, ...]
    unneeded: int
    unneeded_size: int


def condition_of(url: str) -> Condition | None:
    """Look at the files of a Delta store, and read none of them; None: nothing was ever written to it.

    Raises: DataError when it is not a store, or its log is damaged; DeniedError; UnavailableError.
    """
    location = Location.of(url)
    with translated(location.name, "read"):
        table = DeltaLog(location).open()
        if table is None:
            return None
        files = Snapshot(table).files()
        sizes = _sizes(location)
        unneeded = [path for path in table.vacuum(dry_run=True, full=True) if path in sizes]
        return Condition(
            len(files),
            sum(file.rows for file in files),
            sum(file.size for file in files),
            tuple(file.path for file in files if sizes.get(file.path) != file.size),
            len(unneeded),
            sum(sizes[path] for path in unneeded),
        )


def _sizes(location: Location) -> dict[str, int]:
    """The size of each file below the location, by its path in the log."""
    found = location.files.get_file_info(fs.FileSelector("", recursive=True))
    return {info.path: info.size for info in found if info.type == fs.FileType.File}
