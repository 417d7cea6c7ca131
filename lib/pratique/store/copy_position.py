"""How far a copy of a store got, so that the same command continues where it was interrupted.

The counts of both stores cannot tell: an import that is repeated with other rules changes rows and no count. So only what
this copy wrote itself, with the same stores and the same selection, is skipped.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from pratique.errors import StorageError
from pratique.files import PRIVATE, replace_file
from pratique.kept_json import read_kept


@dataclass
class CopyPosition:
    """The ends of what is copied, by service. path: the file that keeps it.

    asked: which copy it is; an interrupted copy of other stores, or of another selection, has another file.
    """

    path: Path
    asked: dict[str, str]
    ends: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, state_dir: Path, asked: dict[str, str]) -> CopyPosition:
        """Return the position that an earlier run of the same copy left, else an empty one."""
        name = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
        path = state_dir / "copies" / f"{name}.json"
        try:
            kept = read_kept(path, _Kept)
        except (OSError, ValueError):
            # without it more is copied than necessary, and nothing else
            return cls(path, asked)
        return cls(path, asked, kept.ends if kept.asked == asked else {})

    def end(self, service: str) -> datetime | None:
        """Return the time before which the windows of a service are copied; None: none is."""
        try:
            return datetime.fromisoformat(self.ends[service])
        except (KeyError, ValueError):
            return None

    def reached(self, service: str, end: datetime) -> None:
        """Keep that the windows of a service before `end` are in the target."""
        self.ends[service] = end.isoformat()
        kept = json.dumps(asdict(_Kept(self.asked, self.ends)))
        # without it the next run copies more than necessary, which is no reason to stop this one
        with suppress(OSError):
            replace_file(self.path, kept, durable=False, mode=PRIVATE)

    def clear(self) -> None:
        """Forget it: the next run of the same copy starts at the beginning. Raises: StorageError."""
        self.ends.clear()
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{str(self.path)!r} cannot be removed: {error.strerror}: remove it") from error


@dataclass(frozen=True)
class _Kept:
    asked: dict[str, str]
    ends: dict[str, str]
