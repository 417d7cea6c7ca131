"""References to secrets, resolved only where a value is used: "env:NAME", "file:PATH"."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pratique.errors import MissingError


def resolve_env(env: Mapping[str, str], base: Path) -> dict[str, str]:
    """The environment with its references resolved; paths are taken from `base`.

    Raises: MissingError naming the reference, never a value.
    """
    return {name: _resolve(name, value, base) for name, value in env.items()}


def _resolve(name: str, value: str, base: Path) -> str:
    kind, separator, target = value.partition(":")
    if not separator or kind not in {"env", "file"}:
        return value
    if kind == "env":
        if target not in os.environ:
            raise MissingError(f"{name} refers to {value!r}, and {target} is not set in the environment: set it")
        return os.environ[target]
    try:
        return (base / target).read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise MissingError(f"{name} refers to {value!r}, which cannot be read: {error.strerror}") from error
