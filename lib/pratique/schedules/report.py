"""What a scheduler is asked to run: the canary report of a service, as one command."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from pratique.errors import UsageError
from pratique.release.secrets import environment_names
from pratique.scheduler_text import SECRETS_FILE
from pratique.schedules.period import Period

if TYPE_CHECKING:
    from pratique.config import StoreSettings

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")


@dataclass(frozen=True)
class ScheduledReport:
    """A report that runs again and again.

    service: as in the service file. period: how often. folder: absolute, where it runs on a host; a CI system runs in its
    checkout. config: path of the service file, below the folder or absolute. program: path of `pratique` on a host.
    fail_on: the parameter of the notebook. out: folder of the reports. secrets: names of environment variables.
    image: container image of the suite, for a system that starts containers; "" for none. user: who runs it on a host.
    """

    service: str
    period: Period
    folder: str
    config: str
    program: str = "pratique"
    fail_on: str = "rollback"
    out: str = "reports"
    secrets: tuple[str, ...] = ()
    image: str = ""
    user: str = "root"

    def __post_init__(self) -> None:
        """Refuse text that would end a line of the printed file. Raises: UsageError."""
        for name in ("folder", "config", "program", "out", "image", "user"):
            if _UNPRINTABLE.search(getattr(self, name)):
                raise UsageError(f"{name} {getattr(self, name)!r:.80} has a control character: give a path without one")

    @property
    def name(self) -> str:
        """The name of units, jobs and files: lower case, different for different services, 52 characters at most, as Kubernetes wants it."""
        safe = re.sub(r"[^a-z0-9]+", "-", self.service.lower()).strip("-")[:24].rstrip("-")
        mark = "" if safe == self.service else f"-{sha256(self.service.encode()).hexdigest()[:8]}"
        return f"pratique-report-{safe}{mark}"

    @property
    def title(self) -> str:
        """What it is, in words."""
        return f"Canary report of {self.service}, {self.period.text}"

    @property
    def words(self) -> list[str]:
        """The command in a checkout of the repository, where `pratique` is on the path."""
        return self._command("pratique", self.config, self.out)

    @property
    def host_words(self) -> list[str]:
        """The command on this host."""
        return self._command(self.program, str(Path(self.folder, self.config)), str(Path(self.folder, self.out)))

    @property
    def container_words(self) -> list[str]:
        """The command in a container with the service file in /config and a volume in /reports."""
        return self._command("pratique", "/config/pratique.toml", "/reports")

    @property
    def secrets_file(self) -> str:
        """The file with the values of the secrets, on a host."""
        return str(Path(self.folder, SECRETS_FILE))

    @property
    def log_file(self) -> str:
        """The log of the last run, on a host."""
        return str(Path(self.folder, f"{self.name}.log"))

    def _command(self, program: str, config: str, out: str) -> list[str]:
        given = {"service": self.service, "config": config, "out": out, "fail_on": self.fail_on}
        return [
            program,
            "run",
            "canary_report",
            *(word for name, value in given.items() if value for word in ("-p", name, value)),
        ]


def store_secrets(store: StoreSettings) -> tuple[str, ...]:
    """Return the names of the environment variables from which a read of the store takes its secrets."""
    # a read needs the token that can only read; the one that writes stays with the collector
    token = store.read_token_env or (store.token_env if not store.read_token_file else "")
    names = (token, *environment_names(store.prometheus.model_dump()))
    return tuple(dict.fromkeys(filter(None, names)))
