"""The whole service file as one model."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from pratique.config.doctor import DoctorSettings
from pratique.config.export import ExportSettings
from pratique.config.jobs import JobSettings
from pratique.config.maturity import MaturitySettings
from pratique.config.notify import WithRoutes
from pratique.config.service import ServiceSettings
from pratique.config.state_folder import make_state_folder
from pratique.config.store import StoreSettings
from pratique.config.target import Target
from pratique.config.telemetry import TelemetrySettings
from pratique.config.types import Name, check_name
from pratique.errors import ConfigError, UsageError


class Config(WithRoutes):
    """The whole service file."""

    state: str = ".pratique"
    store: StoreSettings = StoreSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    export: ExportSettings = ExportSettings()
    maturity: MaturitySettings = MaturitySettings()
    doctor: DoctorSettings = DoctorSettings()
    services: dict[Name, ServiceSettings] = Field(default_factory=dict)
    jobs: dict[Name, JobSettings] = Field(default_factory=dict)
    base: Annotated[str, Field(exclude=True)] = "."
    file: Annotated[str, Field(exclude=True)] = ""

    @model_validator(mode="after")
    def _collector_within_reach(self) -> Config:
        host = self.telemetry.collector_address.rpartition(":")[0]
        for name, service in self.services.items():
            away = sorted(filter(_is_away, _senders_of(service)))
            if away and not self.telemetry.advertise_address and (_is_own(host) or host in {"0.0.0.0", "[::]", "::"}):  # noqa: S104 - compared
                raise ValueError(
                    f"services.{name}: {away[0]} would send its log to itself at {self.telemetry.collector_address!r}: set "
                    "telemetry.advertise_address to an address of the collector that this host can reach"
                )
        return self

    def service(self, name: str) -> ServiceSettings:
        """Return the settings of a service, or the defaults if the file does not name it.

        Raises: UsageError when `name` cannot be the name of a service.
        """
        check_name("service", name)
        return self.services.get(name, ServiceSettings())

    def target(self, name: str) -> Target:
        """Return a service of the service file with its settings and folders, for the packages that act on it.

        Raises: UsageError when the file has no such service, naming those that it has.
        """
        check_name("service", name)
        if name not in self.services:
            if not self.file:
                raise UsageError(f"no service file here, so no service {name!r}: write one with: pratique init {name}")
            raise UsageError.unknown(
                "service", name, self.services, where=f"in {self.file}", hint=f"or add a table [services.{name}]"
            )
        return Target(
            name, self.service(name), Path(self.base), self.state_dir, self.telemetry, self.store, self.export
        )

    def job(self, name: str) -> JobSettings:
        """Return the settings of a job with its service filled in.

        Raises: UsageError when the file has no such job, ConfigError when it is incomplete.
        """
        check_name("job", name)
        if name not in self.jobs:
            where = f"in {self.file}" if self.file else ""
            raise UsageError.unknown("job", name, self.jobs, where=where, hint=f"or add a table [jobs.{name}]")
        job = self.jobs[name]
        service = job.service or (next(iter(self.services)) if len(self.services) == 1 else "")
        for key, given, example in (
            ("service", service, next(iter(self.services), "shop")),
            ("command", job.command, ["{python}", "{dir}/nightly.py"]),
            ("schedule", job.schedule or job.every_s, "30 2 * * *"),
        ):
            if not given:
                raise ConfigError(
                    f"{self.file}: jobs.{name}.{key} is missing: for example {key} = {json.dumps(example)}"
                )
        if service not in self.services:
            raise ConfigError(
                f"{self.file}: jobs.{name}.service {service!r} is no service of this file: choose one of {', '.join(self.services)}"
            )
        return job.model_copy(update={"service": service})

    def path(self, relative: str) -> Path:
        """Return a path of the service file, relative to the folder of that file."""
        return Path(self.base, relative)

    def command(self, *words: str) -> str:
        """Return a command of Pratique as a person types it in any folder."""
        return shlex.join(["pratique", *words, *(["--config", self.file] if self.file else [])])

    @property
    def state_dir(self) -> Path:
        """The folder of everything that is kept apart from the store."""
        return self.path(self.state).resolve()

    def make_state_folder(self) -> None:
        """Make the state folder for its owner only. Raises: DeniedError."""
        make_state_folder(self.state_dir, Path(self.base))


def _senders_of(service: ServiceSettings) -> list[str]:
    """Return the hosts that send access lines or container logs to the collector."""
    balancers = service.balancer.haproxy.hosts if service.balancer.kind == "haproxy" else ()
    logged = service.runtime.kind != "process" and service.runtime.docker.log_driver == "syslog"
    return [*balancers, *(service.runtime.docker.hosts if logged else ())]


def _is_away(host: str) -> bool:
    return host.startswith("ssh://") and not _is_own(urlsplit(host).hostname or "")


def _is_own(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host in {"::1", "[::1]"}
