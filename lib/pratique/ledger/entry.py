"""One entry of the ledger, and the hash that ties it to the one before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from pratique.clock import stamp
from pratique.errors import UsageError

GENESIS = "0" * 64
"""What the first entry has as the hash of the one before."""


@dataclass(frozen=True)
class Entry:
    """Something that happened. `number` counts from 1 without a gap; `time` is UTC.

    kind: "release", "step", "weight", "verdict", "report", "lock", "lapse", "bind" …
    data: what the kind needs, plain JSON values; secrets stand in it by reference only.
    version: of pratique. previous, hash: sha256 in hex; `hash` covers every other field.
    """

    number: int
    time: datetime
    kind: str
    service: str
    who: str
    why: str
    revision: str | None
    run: str | None
    version: str
    previous: str
    hash: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    def digest(self) -> str:
        """The hash that the entry must carry: sha256 of the canonical JSON of everything else in it."""
        content = {name: value for name, value in asdict(self).items() if name != "hash"}
        content["time"] = stamp(self.time)
        return hashlib.sha256(canonical(content).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The entry as plain JSON values."""
        return {**asdict(self), "time": stamp(self.time)}


def canonical(value: Any) -> str:
    """JSON in the one form that is hashed: sorted keys, no spaces, ASCII, no NaN.

    Raises: UsageError when a value is not plain JSON.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the ledger keeps plain JSON values only: {error}") from error
