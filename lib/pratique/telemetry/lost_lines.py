"""Lines of a log that were not counted, kept beside the store so that a later comparison knows of them.

One file for each service in the state folder, `lost/SERVICE.json`: source of the lines → the lines lost of it. A source
that is imported again replaces its entry.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pratique.errors import DataError
from pratique.files import replace_file


@dataclass(frozen=True)
class LostLines:
    """The lines lost of one source.

    source: name of the source in the rollups. first, last: epoch ms of its first and last counted request. counted: lines
    that were counted. lost: lines that were not, by reason. by_revision: lost lines by revision, as far as it is known.
    """

    source: str
    first: int
    last: int
    counted: int
    lost: dict[str, int] = field(default_factory=dict)
    by_revision: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All lost lines."""
        return sum(self.lost.values())


def record_lost_lines(state_dir: Path, service: str, found: LostLines) -> None:
    """Keep the lines lost of a source; an entry without losses removes an earlier one. Raises: OSError, DataError."""
    path = _path(state_dir, service)
    known = _read(path)
    if not found.total and known.pop(found.source, None) is None:
        return
    if found.total:
        known[found.source] = asdict(found)
    replace_file(path, json.dumps(known))


def lost_lines(state_dir: Path, service: str, start: datetime | None, end: datetime | None) -> list[LostLines]:
    """Return the lines lost of the sources with requests in [start, end), UTC. Raises: DataError."""
    first = (start or datetime.min.replace(tzinfo=UTC, year=1970)).timestamp() * 1000
    last = end.timestamp() * 1000 if end is not None else float("inf")
    found = [LostLines(**entry) for entry in _read(_path(state_dir, service)).values()]  # type: ignore[arg-type]
    return [lost for lost in found if lost.last >= first and lost.first < last]


def _path(state_dir: Path, service: str) -> Path:
    return state_dir / "lost" / f"{service}.json"


def _read(path: Path) -> dict[str, dict[str, object]]:
    try:
        known: dict[str, dict[str, object]] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DataError(f"{str(path)!r} is corrupt: delete it and import the logs again") from error
    return known
