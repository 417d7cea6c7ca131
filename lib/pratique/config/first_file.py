"""The first service file: only the keys that a new user chooses, each with its line from the reference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pratique.config.balancer import BalancerSettings
from pratique.config.load import parse
from pratique.config.reference import summary
from pratique.config.runtime import DockerSettings, RuntimeSettings
from pratique.config.telemetry import TelemetrySettings
from pratique.config.types import check_name
from pratique.errors import ConfigError, StorageError, UsageError
from pratique.files import replace_file

Value = str | int | tuple[str, ...]
_RUNTIME, _DOCKER, _BALANCER = RuntimeSettings(), DockerSettings(), BalancerSettings()


@dataclass(frozen=True)
class FirstFile:
    """The choices of a new user. The defaults are those of the service file.

    command: required for runtime "process". image: required for "docker". listen: where users connect.
    collector: where the collector receives syslog.
    """

    service: str
    runtime: Literal["process", "docker"] = "process"
    releases: str = _RUNTIME.releases
    command: tuple[str, ...] = ()
    image: str = ""
    port: int = _DOCKER.port
    readiness_path: str = _RUNTIME.readiness_path
    balancer: Literal["embedded", "haproxy"] = "embedded"
    listen: str = _BALANCER.listen
    collector: str = TelemetrySettings().listen

    def to_toml(self) -> str:
        """Return the text of the service file.

        Raises: UsageError when a value is missing or the file would not be valid.
        """
        check_name("service", self.service)
        if self.runtime == "process" and not self.command:
            raise UsageError("runtime process needs the command that starts an instance: set it with --command")
        if self.runtime == "docker" and not self.image:
            raise UsageError("runtime docker needs the repository of the images: set it with --image")
        tables = [_table(table, keys, self.service) for table, keys in self._tables()]
        text = "\n".join([f"# The service file of {self.service}.\n{POINTER}\n", *tables])
        try:
            text.encode()
            parse(text, Path("it"))
        except UnicodeEncodeError:
            raise UsageError("a value is not UTF-8 text: check the arguments") from None
        except ConfigError as error:
            raise UsageError(f"no valid service file: {str(error).partition(': ')[2]}") from error
        return text

    def _tables(self) -> Iterator[tuple[str, dict[str, Value]]]:
        yield "telemetry", {"listen": self.collector}
        if self.runtime == "process":
            yield (
                "services.NAME.runtime",
                {
                    "kind": self.runtime,
                    "releases": self.releases,
                    "command": self.command,
                    "readiness_path": self.readiness_path,
                },
            )
        else:
            yield "services.NAME.runtime", {"kind": self.runtime, "readiness_path": self.readiness_path}
            yield "services.NAME.runtime.docker", {"image": self.image, "port": self.port}
        yield "services.NAME.balancer", {"kind": self.balancer, "listen": self.listen}


POINTER = "# Every other key has its default. To read about all keys: pratique config --reference"


def write_first_file(path: Path, choices: FirstFile, *, force: bool = False) -> None:
    """Write the service file, and create the releases folder for runtime "process".

    force: replace a file that is there. Raises: UsageError (a file is there, a value is wrong), StorageError.
    """
    text = choices.to_toml()
    try:
        if force:
            replace_file(path, text)
        else:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except FileExistsError:
        raise UsageError(f"{str(path)!r} already exists: choose another file, or replace it with --force") from None
    except OSError as error:
        raise StorageError(f"{str(path)!r} cannot be written: {error.strerror}") from error
    if choices.runtime == "process":
        _make_folder(path.absolute().parent / choices.releases)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"the releases folder {str(folder)!r} cannot be created: {error.strerror}") from error


def _table(name: str, keys: dict[str, Value], service: str) -> str:
    header = name.replace("NAME", service if "." not in service else json.dumps(service))
    lines = [f"# {summary(f'{name}.{key}')}\n{key} = {_toml(value)}\n" for key, value in keys.items()]
    return f"[{header}]\n{''.join(lines)}"


def _toml(value: Value) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    # a TOML string is a JSON string, except that TOML wants DEL escaped
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
