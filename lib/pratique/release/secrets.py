"""References to secrets, resolved only where a value is used: "env:NAME", "file:PATH"."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pratique.errors import MissingError

MASK_MIN_LENGTH = 4
"""Shorter secrets are not masked, because they also match other words of the text."""


def resolve_env(env: Mapping[str, str], base: Path) -> dict[str, str]:
    """Return the environment with its references resolved. Relative paths are below `base`.

    Raises: MissingError with the reference, never with a value.
    """
    return {name: _resolve(name, value, base) for name, value in env.items()}


def known_secrets(env: Mapping[str, str], base: Path) -> dict[str, str]:
    """Return each line of the secrets that `env` refers to, with its reference. What cannot be read is left out."""
    known: dict[str, str] = {}
    for name, value in env.items():
        if is_reference(value):
            with contextlib.suppress(MissingError):
                known |= dict.fromkeys(_resolve(name, value, base).splitlines(), value)
    return known


def mask(text: str, env: Mapping[str, str], base: Path) -> str:
    """Return the text with each secret that `env` refers to replaced by its reference."""
    known = known_secrets(env, base)
    # longest first: a secret may begin with another one
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= MASK_MIN_LENGTH:
            text = text.replace(secret, f"[{known[secret]}]")
    return text


def is_reference(value: str) -> bool:
    """Return whether a value is a reference to a secret."""
    return value.startswith(("env:", "file:"))


def environment_names(value: object) -> Iterator[str]:
    """Yield the names of the environment variables that settings refer to. value: text, or lists and mappings of it, nested."""
    if isinstance(value, str) and value.startswith("env:"):
        yield value.removeprefix("env:")
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from environment_names(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from environment_names(inner)


def _resolve(name: str, value: str, base: Path) -> str:
    if not is_reference(value):
        return value
    kind, _, target = value.partition(":")
    if kind == "env":
        if target not in os.environ:
            raise MissingError(f"{name} refers to {value!r}, but {target} is not set in the environment: set it")
        return os.environ[target]
    try:
        text = (base / target).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise MissingError(f"{name} refers to {value!r}, which cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MissingError(f"{name} refers to {value!r}, which is not text: save it as UTF-8") from error
    if "\0" in text:
        raise MissingError(f"{name} refers to {value!r}, which contains a zero byte: remove it")
    return text
