"""References to secrets, resolved only where a value is used: "env:NAME", "file:PATH"."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from pratique.errors import MissingError

MASKED_FROM = 4
"""Characters from which on a secret is masked in a text; a shorter one would take half the text with it."""


def resolve_env(env: Mapping[str, str], base: Path) -> dict[str, str]:
    """The environment with its references resolved; paths are taken from `base`.

    Raises: MissingError naming the reference, never a value.
    """
    return {name: _resolve(name, value, base) for name, value in env.items()}


def mask(text: str, env: Mapping[str, str], base: Path) -> str:
    """The text with the values behind the references of `env` replaced by the references."""
    known: dict[str, str] = {}
    for name, value in env.items():
        if not is_reference(value):
            continue
        with contextlib.suppress(MissingError):
            known |= dict.fromkeys(_resolve(name, value, base).splitlines(), value)
    # one secret may be the beginning of another
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= MASKED_FROM:
            text = text.replace(secret, f"[{known[secret]}]")
    return text


def is_reference(value: str) -> bool:
    """Whether a value names a secret instead of being one."""
    return value.startswith(("env:", "file:"))


def _resolve(name: str, value: str, base: Path) -> str:
    if not is_reference(value):
        return value
    kind, _, target = value.partition(":")
    if kind == "env":
        if target not in os.environ:
            raise MissingError(f"{name} refers to {value!r}, and {target} is not set in the environment: set it")
        return os.environ[target]
    try:
        text = (base / target).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise MissingError(f"{name} refers to {value!r}, which cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MissingError(f"{name} refers to {value!r}, which is not text: save it as UTF-8") from error
    if "\0" in text:
        raise MissingError(f"{name} refers to {value!r}, which holds a zero byte: an environment cannot")
    return text
