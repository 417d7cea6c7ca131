"""What a check sees of a host: its facts, those of the other hosts, our own records, settings and the time."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from pratique.config.doctor import DoctorSettings
from pratique.doctor.container import Container
from pratique.doctor.facts.engine import Untold
from pratique.doctor.facts.model import HostFacts
from pratique.doctor.finding import Found, Looked, NotLookedAtError, look_at_each
from pratique.release.ssh import ssh_words


@dataclass(frozen=True)
class Look:
    """One host as the checks see it. fleet: the facts of all hosts, this one too. now: UTC."""

    facts: HostFacts
    fleet: tuple[HostFacts, ...]
    settings: DoctorSettings
    now: datetime

    def part(self, name: str) -> Any:
        """Return a part of the facts. Raises: NotLookedAtError with the reason why it was not read."""
        return self.facts.part(name)

    def of_object(self, part: str, key: str) -> Any:
        """Return what a part says of one object. Raises: NotLookedAtError when it was not read."""
        found = self.part(part).get(key)
        if found is None or isinstance(found, Untold):
            raise NotLookedAtError(found.reason if isinstance(found, Untold) else f"{part} of {key[:12]} was not read")
        return found

    @cached_property
    def containers(self) -> Sequence[Container]:
        """All containers. Raises: NotLookedAtError."""
        return [Container(one) for one in self.part("containers")]

    @property
    def running(self) -> Sequence[Container]:
        """The containers that run, paused or not."""
        return [one for one in self.containers if one.running]

    @property
    def info(self) -> Mapping[str, Any]:
        """What the engine says of itself."""
        found: Mapping[str, Any] = self.part("info")
        return found

    def each_running(self, judge: Callable[[Container], Iterable[Found]]) -> Looked:
        """Judge each running container."""
        return look_at_each(self.running, judge)

    def docker(self, *words: str) -> str:
        """The words of a docker command for this host's engine, as one types them."""
        target = ["-H", self.facts.address] if self.facts.address else []
        return shlex.join(["docker", *target, *words])

    def on_host(self, command: str, *, terminal: bool = False) -> str:
        """A shell command, as one types it for this host. terminal: whether it needs one, such as an editor."""
        address = self.facts.address
        if not address.startswith("ssh://"):
            return command
        program, *rest = [word for word in ssh_words(address) if word not in _OPTIONS]
        return shlex.join([program, *(["-t"] if terminal else []), *rest, command])

    def in_daemon_json(self, text: str) -> str:
        """The command that opens the engine's settings on this host, with the key to set there."""
        return f"{self.on_host('editor /etc/docker/daemon.json', terminal=True)}  # {text}"


_OPTIONS = {"-o", "BatchMode=yes", "ConnectTimeout=5", "--"}
"""Of ssh_words: what a person does not type."""
