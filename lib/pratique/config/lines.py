"""The lines on which the keys of a TOML text are set."""

from __future__ import annotations

import re
from functools import lru_cache


def line_of(text: str, keys: tuple[str | int, ...]) -> int:
    """Return the line (from 1) on which a key of a TOML text is set, or the line of the nearest table around it.

    `tomllib` keeps no positions, so this reads table headers and keys itself.
    """
    names = [str(key) for key in keys if isinstance(key, str)]
    best, best_depth, table = 1, 0, []
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?", line)
        setting = re.match(r"\s*([A-Za-z0-9_.\"'-]+)\s*=", line)
        if header:
            table = _split_key(header.group(1))
            here = table
        elif setting:
            here = table + _split_key(setting.group(1))
        else:
            continue
        depth = _common(here, names)
        if depth == len(here) and depth > best_depth:
            best, best_depth = number, depth
    return best


@lru_cache(maxsize=1024)
def _split_cached(key: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.]+", key))


def _split_key(key: str) -> list[str]:
    return list(_split_cached(key))


def _common(left: list[str], right: list[str]) -> int:
    count = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        count += 1
    return count
