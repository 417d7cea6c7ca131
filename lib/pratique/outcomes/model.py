"""How one thing ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

JSON: TypeAlias = bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | None


@dataclass(frozen=True)
class OutcomeRecord:
    """How one thing ended. The triple of kind, subject and key names it, so that it is kept once.

    at: when it ended, UTC. kind: "job", "check", "notification" and others. subject: what it is about, such as
    "job@nightly" or "shop". key: which one of the subject, such as a planned start or the id of a run. outcome: "ok",
    "failed", "timed out", "missed" and others. details: plain JSON values; no secrets.
    """

    at: datetime
    kind: str
    subject: str
    key: str
    outcome: str
    revision: str = ""
    host: str = ""
    duration_ms: int | None = None
    details: Mapping[str, JSON] = field(default_factory=dict)
