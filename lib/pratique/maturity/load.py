"""Read a maturity model from a file, and check it."""

from __future__ import annotations

import tomllib
from hashlib import sha256
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from pratique.errors import ConfigError, DeniedError, MissingError
from pratique.maturity.collectors import COLLECTORS
from pratique.maturity.model import MaturityModel

BUILT_IN = ("model.toml", "minimumcd.toml")
"""The models that are installed, the default first; they are named without their ending too."""
LARGEST = 1 << 20
"""Bytes of a model's file."""


def load_model(path: str | Path = "") -> MaturityModel:
    """Read a model. path: a file, or the name of an installed one (model, minimumcd); "": the built-in model.

    Raises: MissingError, DeniedError, ConfigError with file and key.
    """
    name = str(path) or BUILT_IN[0]
    installed = {known.removesuffix(".toml"): known for known in BUILT_IN} | {known: known for known in BUILT_IN}
    if name in installed and not Path(name).is_file():
        content = resources.files("pratique.maturity").joinpath(installed[name]).read_bytes()
    else:
        content = _read(Path(name))
    try:
        data = tomllib.loads(content.decode("utf-8-sig"))
        model = MaturityModel.model_validate({**data, "digest": sha256(content).hexdigest()})
    except UnicodeDecodeError as error:
        raise ConfigError(f"model {name!r}: not UTF-8 at byte {error.start}: save it as UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"model {name!r}: not TOML: {str(error)[:200]}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "model"
        raise ConfigError(f"model {name!r}: {where}: {first['msg'].removeprefix('Value error, ')}") from error
    for item in model.items:
        for rule in item.evidence:
            if rule.collector not in COLLECTORS:
                known = ", ".join(sorted(COLLECTORS))
                raise ConfigError(
                    f"model {name!r}: items: {item.id}: no collector {rule.collector!r}: choose one of {known}"
                )
    return model


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise MissingError(
            f"model {str(path)!r} does not exist: check --model; installed are model and minimumcd"
        ) from None
    except OSError as error:
        raise DeniedError(f"model {str(path)!r} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise ConfigError(f"model {str(path)!r} is larger than {LARGEST >> 20} MiB: check that it is a model")
    return content
