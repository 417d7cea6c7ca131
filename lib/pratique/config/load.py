"""Read and validate the service file (pratique.toml) and the environment."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pratique.config.export import refuse_user_in
from pratique.config.lines import line_of
from pratique.config.messages import describe
from pratique.config.model import Config
from pratique.config.renames import renamed_keys
from pratique.config.store import refuse_credentials
from pratique.errors import ConfigError, DeniedError, MissingError

DEFAULT_FILE = "pratique.toml"
STORE_FILES = ("token_file", "read_token_file", "ca_file")
"""Settings of the store that are paths."""


def load(path: str | Path | None = None, *, store: str | None = None) -> Config:
    """Read the service file and return the validated configuration.

    path: the file; None or "" means PRATIQUE_CONFIG from the environment, else pratique.toml in the working
    folder, else the defaults. store: overrides `store.url`, as does PRATIQUE_STORE from the environment; the
    argument wins. The `store.url` of the result is a URL or an absolute folder.
    Raises: MissingError, DeniedError, ConfigError naming file, line and key; UsageError for a store with credentials.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "pratique.toml")
    ...     _ = file.write_text("services.shop.judge.alpha = 0.05")
    ...     load(file).service("shop").judge.alpha
    0.05
    """
    named = path or os.environ.get("PRATIQUE_CONFIG")
    config = _read(Path(named), named=True) if named else _read(Path(DEFAULT_FILE), named=False)
    override = store or os.environ.get("PRATIQUE_STORE")
    refuse_credentials(override or config.store.url)
    refuse_user_in(config.export.remote_write.url)
    base = Path(config.base)
    url = _absolute(override, Path()) if override else _absolute(config.store.url, base)
    files = {name: _absolute(path, base) for name in STORE_FILES if (path := getattr(config.store, name))}
    points = config.store.points.with_rules({name: service.actions for name, service in config.services.items()})
    reached = {"url": url, "prometheus": config.store.prometheus.below(base), "points": points, **files}
    return config.model_copy(
        update={
            "store": config.store.model_copy(update=reached),
            "export": config.export.below(base),
            "notify": tuple(route.below(base) for route in config.notify),
        }
    )


def _absolute(url: str, base: Path) -> str:
    return url if "://" in url else str(Path(base, url).absolute())


def _read(path: Path, *, named: bool) -> Config:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        if named:
            raise MissingError(f"service file {str(path)!r} does not exist: check --config") from None
        return Config()
    except (IsADirectoryError, PermissionError, OSError) as error:
        raise DeniedError(f"service file {str(path)!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}: save it as UTF-8") from error
    return parse(text, path)


def parse(text: str, path: Path) -> Config:
    """Validate the text of a service file; `path` is its place, for messages and relative paths.

    Paths are relative to the folder of the real file, so that every path to the file means the same service.
    Raises: ConfigError naming file, line and key.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: lists or tables are nested too deeply") from error
    for key in {"base", "file"} & data.keys():
        raise ConfigError(f"{path}:{line_of(text, (key,))}: {key}: unknown key: remove it")
    for keys, name in renamed_keys(data):
        old, new = ".".join(keys), ".".join([*keys[:-1], name])
        raise ConfigError(f"{path}:{line_of(text, keys)}: {old} is now {new}: rename the key")
    try:
        return Config.model_validate({**data, "base": str(path.resolve().parent), "file": str(path.resolve())})
    except ValidationError as error:
        raise ConfigError(_first_problem(text, path, data, error)) from error


def _first_problem(text: str, path: Path, data: Mapping[str, Any], error: ValidationError) -> str:
    problems: dict[tuple[str | int, ...], list[ErrorDetails]] = {}
    for problem in error.errors():
        problems.setdefault(_keys_of(data, problem["loc"]), []).append(problem)
    keys, found = next(iter(problems.items()))
    if found[0]["type"] == "missing":
        # a wrong spelling of the key that is missing is the cause
        unknown = (
            one for one, why in problems.items() if why[0]["type"] == "extra_forbidden" and one[:-1] == keys[:-1]
        )
        keys = next(unknown, keys)
        found = problems[keys]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{path}:{line_of(text, keys)}: {'.'.join(map(str, keys))}: {describe(keys, found)}{more}"


def _keys_of(data: Any, location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Return the part of a location that is a key of the file; pydantic adds the names of a union's members."""
    if not location:
        return ()
    first, *rest = location
    if isinstance(data, dict) and first in data:
        return (first, *_keys_of(data[first], tuple(rest)))
    if isinstance(data, list) and isinstance(first, int):
        return (first, *_keys_of(data[first], tuple(rest)))
    # a key that is missing ends the location
    return () if rest or first == "[key]" or isinstance(data, str | float) else (first,)
