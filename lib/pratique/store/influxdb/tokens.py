"""Find the token of a store by reference: in an environment variable or a file, never in the settings themselves."""

from __future__ import annotations

import os
from pathlib import Path

from pratique.config import StoreSettings
from pratique.errors import DeniedError, UsageError

DEFAULT_ENV = "INFLUX_TOKEN"
"""The variable that InfluxDB's own command line reads."""


def write_token(settings: StoreSettings) -> str:
    """Return the token for writes. Raises: DeniedError when its variable or file has none, UsageError for two places."""
    return _token(settings, "token")


def read_token(settings: StoreSettings) -> str:
    """Return the token for reads: that of store.read_token_env or store.read_token_file, else the token for writes.

    Raises: as `write_token`.
    """
    own = settings.read_token_env or settings.read_token_file
    return _token(settings, "read_token" if own else "token")


def _token(settings: StoreSettings, name: str) -> str:
    variable, file = getattr(settings, f"{name}_env"), getattr(settings, f"{name}_file")
    if variable and file:
        raise UsageError(f"store.{name}_env and store.{name}_file both name a token: remove one of them")
    if file:
        return _of_file(name, Path(file))
    variable = variable or DEFAULT_ENV
    found = os.environ.get(variable, "").strip()
    if not found:
        raise DeniedError(
            f"the store needs a token, and the environment variable {variable} is not set: set it, or name a file "
            f"with store.{name}_file"
        )
    return _plain(found, f"the environment variable {variable}")


def _of_file(name: str, path: Path) -> str:
    try:
        found = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise DeniedError(f"the file {str(path)!r} of store.{name}_file cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise DeniedError(f"the file {str(path)!r} of store.{name}_file is not text: write the token into it") from None
    if not found:
        raise DeniedError(f"the file {str(path)!r} of store.{name}_file is empty: write the token into it")
    return _plain(found, f"the file {str(path)!r}")


def _plain(token: str, where: str) -> str:
    # it becomes an HTTP header, which another character would split or break
    if not token.isascii() or not token.isprintable() or " " in token:
        raise DeniedError(f"{where} holds something other than a token: write one token on one line")
    return token
