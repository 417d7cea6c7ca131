"""One job of a service file, with everything that is needed to run it and to look at it."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pratique.config import Config, JobSettings, Target
from pratique.runtime import OneOffRunner, open_one_off

SUBJECT = "job@"
FOLDER = "jobs"


@dataclass(frozen=True)
class Job:
    """A job, its settings, and the service that it belongs to."""

    name: str
    settings: JobSettings
    config: Config
    target: Target

    @property
    def subject(self) -> str:
        """The subject of its lock and of its outcomes."""
        return f"{SUBJECT}{self.name}"

    @property
    def container(self) -> str:
        """The name of its container, which only one can have: the lock across hosts."""
        return f"pratique-{self.target.service}-job-{self.name}"

    @property
    def folder(self) -> Path:
        """The folder of its memory and its logs."""
        return self.target.state_dir / FOLDER / self.name

    @property
    def home(self) -> str:
        """A mark of this host and state folder, on the containers that are started from here."""
        return hashlib.sha256(f"{socket.gethostname()}:{os.path.realpath(self.target.state_dir)}".encode()).hexdigest()[
            :16
        ]

    @property
    def drain_s(self) -> float:
        """How long it may take to end after its stop signal."""
        return self.target.settings.runtime.drain_s

    @cached_property
    def runner(self) -> OneOffRunner:
        """The runner of its containers or processes."""
        return open_one_off(self.target, self.settings.host)


def find_job(config: Config, name: str) -> Job:
    """Return a job of the service file. Raises: UsageError (no such job), ConfigError (it is incomplete)."""
    settings = config.job(name)
    return Job(name, settings, config, config.target(settings.service))


def all_jobs(config: Config) -> list[Job]:
    """Return all jobs of the service file, by name. Raises: ConfigError when one is incomplete."""
    return [find_job(config, name) for name in sorted(config.jobs)]
