"""The page of the verdict's JSON, from the classes of the judge, with an example that the judge computed."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from pratique.config import GuardPolicy, Policy
from pratique.judge import Judge, model
from pratique.telemetry.rollups import Rollups
from tools.reference.markdown import cell, explained, plain, table

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
MINUTES = 10
DIGITS = 3
NAMES = ("time_ms", "service", "revision", "action", "code", "host", "source", "duration_ms")
TEXT = """# Verdict JSON

`pratique compare --json` prints one JSON object; `pratique report` writes the same object beside the HTML page. In Python it is
`Verdict.to_json()`. Times are ISO 8601 in UTC with a `Z`. A value that is unknown, infinite or not a number is `null`.

`exit_status` is the status that the command exits with: see [Exit status](exit-status.md)."""


def _requests(minute: int) -> list[tuple[Any, ...]]:
    """60 requests of r1 in a minute, and from minute 0 on 30 of r2, two of which fail."""
    at = int((START + timedelta(minutes=minute)).timestamp() * 1000)
    rows = []
    for revision, count, bad in (("r1", 60, 0), ("r2", 30 if minute >= 0 else 0, 2)):
        for number in range(count):
            code = 500 if number < bad else 200
            rows.append((at + number * 60_000 // count, "shop", revision, "GET /cart", code, "h1", "example", 12.0))
    return rows


def example() -> dict[str, Any]:
    """A verdict over ten minutes of made-up traffic."""
    rows = [row for minute in range(-MINUTES, MINUTES) for row in _requests(minute)]
    columns = {name: list(values) for name, values in zip(NAMES, zip(*rows, strict=True), strict=True)}
    columns["code"] = pa.array(columns["code"], pa.int16())
    guard = GuardPolicy(outcome="5xx", tolerated_ratio=1.5, tolerated_excess=0.001)
    judge = Judge(Policy(guards={"5xx": guard}), "shop", "r1", "r2", 10)
    judge.update(Rollups.from_events(pa.table(columns), window_s=10))
    found: dict[str, Any] = judge.verdict(START + timedelta(minutes=MINUTES)).to_json()
    return {**found, "version": "…"}


def _rounded(value: Any) -> Any:
    """Numbers as short as an example may show them."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _type(annotation: str) -> str:
    """A type as JSON has it."""
    names = {
        "str": "string", "int": "integer", "float": "number", "bool": "boolean", "datetime": "time", "None": "null",
        "Decision": "string", "GuardState": "string", "Literal['note', 'hold', 'rollback']": "string",
    }  # fmt: skip
    shown = []
    for part in annotation.replace('"', "'").split(" | "):
        if part.startswith("dict[str, "):
            shown.append(f"object of {names[part[10:-1]]}s")
        elif part.startswith("tuple["):
            shown.append("array of objects")
        else:
            shown.append(names.get(part, "object"))
    return " or ".join(shown)


def _fields(kind: type) -> str:
    names = [item.name for item in fields(kind) if item.name != "trace"]
    doc = explained(kind.__doc__, [*names, "trace"])
    meanings = {name: text for keys, text in doc.names.items() for name in keys.split(", ")}
    together = {name: keys for keys in doc.names for name in keys.split(", ")}
    rows = []
    for item in fields(kind):
        if item.name in names:
            group = together.get(item.name, item.name)
            first = group.split(", ")[0]
            text = meanings.get(item.name, "") if item.name == first else f"see `{first}`"
            rows.append((f"`{item.name}`", _type(str(item.type)), cell(re.sub(r"\bNone\b", "`null`", text))))
    return plain(" ".join(doc.text)) + "\n\n" + table(("key", "type", "meaning"), rows)


def page() -> str:
    """The whole page."""
    parts = [TEXT, "## The verdict", _fields(model.Verdict)]
    for title, kind in (("guards", model.GuardResult), ("findings", model.Finding), ("remaining", model.Remaining)):
        parts += [f"## {title}", _fields(kind)]
    shown = json.dumps(_rounded(example()), indent=2, ensure_ascii=False)
    parts += ["## Example", f"```json\n{shown}\n```"]
    return "\n\n".join(part.strip() for part in parts)
