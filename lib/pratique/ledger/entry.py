"""One entry of the ledger, and the hash that links it to the entry before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from pratique.clock import stamp
from pratique.errors import UsageError

GENESIS = "0" * 64
"""The `previous` hash of the first entry."""


@dataclass(frozen=True)
class Entry:
    """One recorded event. `number` counts from 1 without a gap; `time` is UTC.

    kind: "release", "step", "weight", "verdict", "report", "lock", "lapse", "bind" and others.
    who: the user who acted. why: the reason given. run: id of the run of a runbook.
    data: plain JSON values that depend on the kind; secrets appear by reference only.
    version: of Pratique. previous, hash: SHA-256 in hex; `hash` covers every other field.
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
        """Return the hash that the entry must have: SHA-256 of the canonical JSON of all other fields."""
        # asdict would copy `data`, which takes most of the time to verify a long ledger
        content = {name: value for name, value in vars(self).items() if name != "hash"}
        content["time"] = stamp(self.time)
        return hashlib.sha256(canonical(content).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return the entry as plain JSON values."""
        return {**asdict(self), "time": stamp(self.time)}


@dataclass(frozen=True)
class LedgerHead:
    """The last entry of a ledger at some moment: its number, and its hash, which covers all entries before it."""

    entry: int
    hash: str


def canonical(value: Any) -> str:
    """Return JSON in the form that is hashed: sorted keys, no spaces, ASCII, no NaN.

    Raises: UsageError when a value is not plain JSON.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the ledger accepts plain JSON values only: {error}") from error
