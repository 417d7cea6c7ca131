"""Settings of the runtime: where releases run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pratique.config.types import Name, RequestPath, Seconds, Strict

Image = Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9._-]*(:[0-9]{1,5})?/)?[a-z0-9][a-z0-9._/-]{0,200}$")]
Engine = Annotated[
    str,
    Field(
        pattern=r"^(|unix:///[A-Za-z0-9._/-]+|tcp://(127\.[0-9.]+|localhost):[0-9]{1,5}|ssh://([A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]{1,5})?(/[A-Za-z0-9._/-]+)?)$"
    ),
]
Size = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}[kmg]$")]
Inside = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]*$")]


class DockerSettings(Strict):
    """How releases run as containers, for kind "docker" and "swarm"."""

    image: Image | Literal[""] = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    hosts: tuple[Engine, ...] = ("",)
    publish_address: Annotated[str, Field(pattern=r"^([A-Za-z0-9.-]{1,253})?$")] = ""
    memory: Size = "512m"
    cpus: Annotated[float, Field(gt=0, le=256)] = 1.0
    pids_limit: Annotated[int, Field(ge=1, le=100_000)] = 256
    tmpfs: dict[Inside, Size] = Field(default_factory=lambda: {"/tmp": "64m"})  # noqa: S108 - in a container
    volumes: dict[Name, Inside] = Field(default_factory=dict)
    cap_add: tuple[Annotated[str, Field(pattern=r"^[A-Z][A-Z_]{1,30}$")], ...] = ()
    network: Name | Literal[""] = ""
    host_network_reason: str = ""
    log_driver: Literal["json-file", "syslog"] = "json-file"
    log_max_size: Size = "10m"
    log_max_files: Annotated[int, Field(ge=1, le=100)] = 3
    secrets_dir: Inside = "/dev/shm"  # noqa: S108 - this is the folder in memory
    pull: Literal["missing", "never"] = "missing"

    @model_validator(mode="after")
    def _capabilities(self) -> DockerSettings:
        if "ALL" in self.cap_add:
            raise ValueError("cap_add cannot contain ALL: list the capabilities")
        return self


class SwarmSettings(Strict):
    """Settings of Docker Swarm, for kind "swarm"."""

    constraints: tuple[
        Annotated[str, Field(pattern=r"^(node|engine)\.[A-Za-z0-9._-]+ ?[!=]= ?[A-Za-z0-9._-]+$")], ...
    ] = ()
    update_parallelism: Annotated[int, Field(ge=1)] = 1
    update_delay_s: Seconds = 1.0


class RuntimeSettings(Strict):
    """Where releases run."""

    kind: Literal["process", "docker", "swarm"] = "process"
    releases: str = "releases"
    command: tuple[str, ...] = ()
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")], str] = Field(default_factory=dict)
    readiness_path: RequestPath = "/healthz"
    readiness_timeout_s: Annotated[float, Field(gt=0, le=86400)] = 30.0
    drain_s: Seconds = 10.0
    instances: Annotated[int, Field(ge=1, le=100)] = 1
    docker: DockerSettings = DockerSettings()
    swarm: SwarmSettings = SwarmSettings()

    @model_validator(mode="after")
    def _image(self) -> RuntimeSettings:
        if self.kind != "process" and not self.docker.image:
            raise ValueError(f'kind = "{self.kind}" requires docker.image: set it to the repository of the images')
        return self
