"""The executed notebook: valid JSON on disk, and whether it ran to its end."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from pratique.files import replace_file


def write_valid_json(path: Path) -> None:
    """Replace NaN and infinities in a saved notebook by null: they are no JSON, and other readers refuse the file.

    Python's own writer lets them through, such as those in the data of a figure. Raises: OSError.
    """
    text = path.read_text(encoding="utf-8")
    found: list[str] = []
    try:
        content = json.loads(text, parse_constant=found.append)
    except ValueError:
        # not complete: kept as it is, for a person
        return
    if found:
        mode = path.stat().st_mode & 0o777
        replace_file(path, json.dumps(_without_nan(content), indent=1, ensure_ascii=False) + "\n", mode=mode)


def ended_early(notebook: dict[str, Any]) -> int | None:
    """Return the number of the code cell that ended the notebook with exit(), counted from 1; None if none did."""
    code = [cell for cell in notebook["cells"] if cell.get("cell_type") == "code"]
    for number, cell in enumerate(code, start=1):
        if any(output.get("ename") == "SystemExit" for output in cell.get("outputs", ())):
            return number
    return None


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _without_nan(inner) for name, inner in value.items()}
    return [_without_nan(inner) for inner in value] if isinstance(value, list) else value
