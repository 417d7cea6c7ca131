"""Lines of a log that were not counted, kept beside the store so that a later comparison knows of them.

One file for each service in the state folder, `lost/SERVICE.json`: store and source of the lines → the lines lost of it. A
source that is imported again into a store replaces its entry. The lines are missing in that store only.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pratique.errors import DataError, StorageError
from pratique.files import locked, replace_file
from pratique.kept_json import read_kept
from pratique.telemetry.cardinality import MOST_REVISIONS
from pratique.telemetry.reasons import NO_REVISION

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pratique.telemetry.parsed import Parsed

    Ints = npt.NDArray[np.int64]

EVERY_SERVICE = ".collector"
"""In place of a service: lines of which the service is not known. No service can have this name."""
_NONE: Mapping[str, int] = MappingProxyType({})
MOST_REASONS = 100
"""Distinct reasons that are kept; a reason may repeat a part of the line."""


@dataclass(frozen=True)
class LostLines:
    """The lines lost of one source.

    source: name of the source in the rollups. first, last: epoch ms of its first and last counted request. counted: lines
    that were counted. lost: lines that were not, by reason. by_revision: lost lines by revision, as far as it is known. store: URL of the store that they are
    missing in; "" for any. messages: lines between the requests that are none, by revision, of a log of one revision.
    """

    source: str
    first: int
    last: int
    counted: int
    lost: dict[str, int] = field(default_factory=dict)
    by_revision: dict[str, int] = field(default_factory=dict)
    store: str = ""
    messages: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All lost lines."""
        return sum(self.lost.values())

    @property
    def tells(self) -> bool:
        """Whether a comparison must know of the source."""
        return bool(self.total or self.messages)


class LostCount:
    """Counts the lines of a source while it is read."""

    def __init__(self) -> None:
        """Start without a line."""
        self._first, self._last, self._counted = 1 << 62, 0, 0
        self._reasons: Counter[str] = Counter()
        self._by_revision: Counter[str] = Counter()
        self._messages: Counter[str] = Counter()
        self.without_revision = 0

    def add(
        self, times_ms: Ints, reasons: Iterable[str] | Mapping[str, int], by_revision: Mapping[str, int] = _NONE
    ) -> None:
        """Take lines in. times_ms: of the requests, epoch ms. reasons: of the lines that could not be counted, or their numbers by reason.

        by_revision: lines that could not be counted, by revision, of those that tell it.
        """
        self._counted += len(times_ms)
        if len(times_ms):
            self._first = min(self._first, int(times_ms.min()))
            self._last = max(self._last, int(times_ms.max()))
        for reason, count in Counter(reasons).items():
            known = reason in self._reasons or len(self._reasons) < MOST_REASONS
            self._reasons[reason if known else "other reasons"] += count
        for revision, count in by_revision.items():
            if revision in self._by_revision or len(self._by_revision) < MOST_REVISIONS:
                self._by_revision[revision] += count

    def take(self, parsed: Parsed) -> None:
        """Take the rows of a block in."""
        self.add(parsed.events["time_ms"].to_numpy(), parsed.lost_by_reason, parsed.lost_by_revision)
        self.without_revision += parsed.lost_without_revision
        self._messages.update(parsed.messages_by_revision)
        if "n" in parsed.events.columns:
            self._counted += int(parsed.events["n"].sum()) - len(parsed.events)

    def of(self, source: str, store: str) -> LostLines:
        """Return what was counted, as that of a source. store: URL of the store that its lines are written to."""
        lost = dict(self._reasons) | ({NO_REVISION: self.without_revision} if self.without_revision else {})
        by_revision, messages = dict(self._by_revision), dict(self._messages)
        return LostLines(source, self._first, self._last, self._counted, lost, by_revision, store, messages)


def record_lost_lines(state_dir: Path, service: str, found: LostLines, *, most: int | None = None) -> None:
    """Keep the lines lost of a source; an entry without losses removes an earlier one.

    most: entries to keep, the newest. Raises: OSError, DataError, StorageError.
    """
    path = _path(state_dir, service)
    if not found.tells and not path.exists():
        return
    with locked(path):
        known = _read(path)
        name = f"{found.store}#{found.source}"
        if not found.tells and known.pop(name, None) is None:
            return
        if found.tells:
            known[name] = found
        for oldest in list(known)[: len(known) - most] if most is not None else []:
            del known[oldest]
        replace_file(path, json.dumps({key: asdict(lost) for key, lost in known.items()}))


def lost_lines(
    state_dir: Path, service: str, start: datetime | None, end: datetime | None, *, store: str
) -> list[LostLines]:
    """Return the lines that a store lacks of the sources with requests in [start, end), UTC. store: its URL.

    Raises: DataError, StorageError.
    """
    first = (start or datetime.min.replace(tzinfo=UTC, year=1970)).timestamp() * 1000
    last = end.timestamp() * 1000 if end is not None else float("inf")
    found = [*_read(_path(state_dir, service)).values(), *_read(_path(state_dir, EVERY_SERVICE)).values()]
    return [lost for lost in found if lost.last >= first and lost.first < last and lost.store in ("", store)]


def _path(state_dir: Path, service: str) -> Path:
    return state_dir / "lost" / f"{service}.json"


def _read(path: Path) -> dict[str, LostLines]:
    try:
        return read_kept(path, dict[str, LostLines])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StorageError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{str(path)!r} is corrupt: delete it and import the logs again") from error
