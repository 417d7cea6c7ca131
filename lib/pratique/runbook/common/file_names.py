"""Names of the files in a run's folder, beside the engine's journal and the watchdog's log."""

from __future__ import annotations

PROGRESS = "progress.jsonl"
RESULT = "result.json"
