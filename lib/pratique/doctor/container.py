"""One container as an engine's inspection shows it.

Fields that an engine leaves out are empty; of a whole section that it leaves out nothing can be said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from pratique.doctor.finding import NotLookedAtError
from pratique.runtime.docker_request import PREFIX, REVISION, SERVICE

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
COMPOSE_SERVICE = "com.docker.compose.service"


@dataclass(frozen=True)
class Container:
    """A container. attrs: the answer of the engine."""

    attrs: Mapping[str, Any]

    @cached_property
    def id(self) -> str:
        """Its id."""
        return str(self.attrs["Id"])

    @cached_property
    def name(self) -> str:
        """Its name, or its id where the engine tells a name that Docker would refuse."""
        name = str(self.attrs.get("Name") or "").removeprefix("/")
        return name if NAME.fullmatch(name) else self.id[:12]

    @property
    def running(self) -> bool:
        """Whether it runs, paused or not."""
        return bool(self.state.get("Running"))

    @property
    def state(self) -> Mapping[str, Any]:
        """Its state."""
        return self._section("State")

    @property
    def host_config(self) -> Mapping[str, Any]:
        """How it was started."""
        return self._section("HostConfig")

    @property
    def config(self) -> Mapping[str, Any]:
        """Its configuration, with that of its image."""
        return self._section("Config")

    def _section(self, name: str) -> Mapping[str, Any]:
        found = self.attrs.get(name)
        if not isinstance(found, Mapping):
            raise NotLookedAtError(f"the engine does not tell {name} of {self.name}")
        return found

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.config.get("Labels") or {}

    @property
    def service(self) -> str:
        """The service that it belongs to; "" if none is reported."""
        return str(self.labels.get(SERVICE) or self.labels.get(COMPOSE_SERVICE) or "")

    @property
    def own_service(self) -> str:
        """The service that Pratique started it for, as one may type it; SERVICE where the label is not a name."""
        name = str(self.labels.get(SERVICE) or "")
        return name if NAME.fullmatch(name) else "SERVICE"

    @property
    def is_ours(self) -> bool:
        """Whether Pratique started it."""
        return SERVICE in self.labels

    @property
    def revision(self) -> str:
        """The revision that it runs; "" for one that Pratique did not start."""
        return str(self.labels.get(REVISION) or "")

    @property
    def image(self) -> str:
        """The id of its image."""
        return str(self.attrs.get("Image") or "")

    @property
    def image_name(self) -> str:
        """The image as it was named at its start."""
        return str(self.config.get("Image") or "")

    @property
    def mounts(self) -> Sequence[Mapping[str, Any]]:
        """Its mounts."""
        return self.attrs.get("Mounts") or ()

    @property
    def options(self) -> Sequence[str]:
        """Its security options."""
        return [str(one) for one in self.host_config.get("SecurityOpt") or ()]

    @property
    def env(self) -> Mapping[str, str]:
        """Its environment, as the engine shows it to everyone who may ask."""
        pairs = (str(one).partition("=") for one in self.config.get("Env") or ())
        return {name: value for name, _, value in pairs if not name.startswith(PREFIX)}

    @property
    def memory_limit(self) -> int:
        """Its memory limit in bytes, 0 without one."""
        return int(self.host_config.get("Memory") or 0)

    @property
    def started(self) -> datetime:
        """When it was started, UTC."""
        return datetime.fromisoformat(str(self.state["StartedAt"]))
