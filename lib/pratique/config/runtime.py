"""Settings of the runtime: where releases run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pratique.config.types import RequestPath, Seconds, Strict

Image = Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9._-]*(:[0-9]{1,5})?/)?[a-z0-9][a-z0-9._/-]{0,200}$")]
Engine = Annotated[
    str,
    Field(
        pattern=r"^(|unix:///[A-Za-z0-9._/-]+|tcp://(127\.[0-9.]+|localhost):[0-9]{1,5}|ssh://([A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]{1,5})?(/[A-Za-z0-9._/-]+)?)$"
    ),
]
Size = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}[kmg]$")]
VolumeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
Inside = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]*$")]


class DockerSettings(Strict):
    """How releases run as containers, for `kind = "docker"` and "swarm".

    image: repository without a tag, with its registry where there is one ("registry:5000/shop"); the revision is
    the tag, resolved once to a digest. port: where the container listens. hosts: engine addresses, "" is that of
    the environment, or "ssh://user@host", with the path of the engine's socket where it is another; `runtime.instances` run on each. publish_address: the address that ports are
    published at and the balancer connects to; default 127.0.0.1, of an ssh:// engine that host.
    memory, cpus, pids_limit: limits. tmpfs: writable folders in memory, with their size. volumes: named volumes, to where
    they are mounted. cap_add: capabilities beyond none. network: a network of the engine's, to join as well.
    host_network_reason: the reason why containers use the host's network; without one they do not.
    log_driver: "json-file", or "syslog" to the collector; log_max_size, log_max_files: both are bounded.
    secrets_dir: a folder in memory (tmpfs) of the engine's host. pull: "never" takes only what is there.
    """

    image: Image | Literal[""] = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    hosts: tuple[Engine, ...] = ("",)
    publish_address: Annotated[str, Field(pattern=r"^([A-Za-z0-9.-]{1,253})?$")] = ""
    memory: Size = "512m"
    cpus: Annotated[float, Field(gt=0, le=256)] = 1.0
    pids_limit: Annotated[int, Field(ge=1, le=100_000)] = 256
    tmpfs: dict[Inside, Size] = Field(default_factory=lambda: {"/tmp": "64m"})  # noqa: S108 - in a container
    volumes: dict[VolumeName, Inside] = Field(default_factory=dict)
    cap_add: tuple[Annotated[str, Field(pattern=r"^[A-Z][A-Z_]{1,30}$")], ...] = ()
    network: VolumeName | Literal[""] = ""
    host_network_reason: str = ""
    log_driver: Literal["json-file", "syslog"] = "json-file"
    log_max_size: Size = "10m"
    log_max_files: Annotated[int, Field(ge=1, le=100)] = 3
    secrets_dir: Inside = "/dev/shm"  # noqa: S108 - this is the folder in memory
    pull: Literal["missing", "never"] = "missing"

    @model_validator(mode="after")
    def _capabilities(self) -> DockerSettings:
        if "ALL" in self.cap_add:
            raise ValueError("cap_add must name capabilities, not ALL")
        return self


class SwarmSettings(Strict):
    """What Swarm adds, for `kind = "swarm"`. constraints: of placement, such as "node.labels.zone == a".

    update_parallelism, update_delay_s: how many tasks the engine replaces at once in an update, and the pause between.
    Each task publishes a port of its own on its node; one that the engine has replaced is told as drift by
    `pratique status`, and `pratique up` brings it into the pool.
    """

    constraints: tuple[
        Annotated[str, Field(pattern=r"^(node|engine)\.[A-Za-z0-9._-]+ ?[!=]= ?[A-Za-z0-9._-]+$")], ...
    ] = ()
    update_parallelism: Annotated[int, Field(ge=1)] = 1
    update_delay_s: Seconds = 1.0


class RuntimeSettings(Strict):
    """Where releases run. `kind = "process"`: local processes from release directories; "docker", "swarm".

    releases: folder with one directory per revision. command: argv, with {port}, {dir} and {python} filled in;
    of an image its own command where this is empty. env: configuration injected by environment; a value may be
    "env:NAME" or "file:PATH": a container gets it as a file, named by NAME_FILE.
    readiness_path: path that answers 200 when an instance can take traffic. instances: per revision, and host.
    """

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
            raise ValueError(f'kind = "{self.kind}" needs docker.image: name the repository of the images')
        return self
