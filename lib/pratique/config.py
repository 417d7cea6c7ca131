"""The service file (pratique.toml) and the environment, validated before anything is done with them."""

from __future__ import annotations

import os
import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator

from pratique.errors import ConfigError, DeniedError, MissingError, UsageError
from pratique.policy import Policy, Strict

DEFAULT_FILE = "pratique.toml"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
Name = Annotated[str, Field(pattern=NAME)]
Plain = Annotated[str, Field(pattern=r"^[ -~]*$", max_length=255)]
"""Printable ASCII on one line."""
Asked = Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=2000)]
"""What stands in a request line: a path, and a query where there is one."""


def _port_is_one(address: str) -> str:
    host, _, port = address.rpartition(":")
    labels = host.split(".") if not host.startswith("[") else ["ipv6"]
    if int(port) > 65535 or not all(0 < len(label) <= 63 for label in labels):
        raise ValueError("an address is HOST:PORT, with a port up to 65535")
    return address


Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9.\-\[\]:]+:[0-9]{1,5}$"), AfterValidator(_port_is_one)]
Seconds = Annotated[float, Field(ge=0, le=86400)]


class StoreSettings(Strict):
    """url: a folder, or an address of a store. retention_days: older windows are dropped; 0 keeps all."""

    url: str = ".pratique/store"
    retention_days: Annotated[float, Field(ge=0, le=36500)] = 90.0


class HttplogSettings(Strict):
    """How lines of HAProxy's own httplog tell their service and revision.

    service: "" takes the frontend's name. revision_from: FIELD or FIELD:REGEX, whose first group is the revision;
    fields are frontend, backend and server. timezone: of HAProxy's host, whose log has local times without one.
    """

    service: Name | Literal[""] = ""
    revision_from: str = "backend"
    timezone: str = "UTC"

    @model_validator(mode="after")
    def _pattern(self) -> HttplogSettings:
        field, _, pattern = self.revision_from.partition(":")
        if field not in {"frontend", "backend", "server"}:
            raise ValueError(f"revision_from names {field!r}: frontend, backend and server are known")
        try:
            groups = re.compile(pattern or "()").groups
        except re.error as error:
            raise ValueError(f"revision_from: {pattern!r} is no regular expression: {error}") from None
        if groups == 0:
            raise ValueError(f"revision_from: {pattern!r} has no group: put the revision's part in parentheses")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"timezone {self.timezone!r} is not known: write it as Europe/Vienna") from None
        return self


class TelemetrySettings(Strict):
    """listen: where the collector takes syslog over UDP. window_s: length of a rollup's window.

    address: where HAProxy and containers send it to; "" is where it listens, which other hosts cannot reach on loopback.
    tcp: where it takes syslog over TCP as well; unix: the path of a datagram socket; "" for none. The kernel queues
    net.unix.max_dgram_qlen messages for it, often only 10, and HAProxy drops what comes beyond: raise it.
    late_s: how long after a window's end its lines are still added; later ones are counted as late.
    host: the `host` of rollups whose lines name none. httplog: how HAProxy's own lines are read.
    container_log_mb: what the logs of containers may take, all together.
    """

    listen: Address = "127.0.0.1:5514"
    address: Address | Literal[""] = ""
    tcp: Address | Literal[""] = ""
    unix: str = ""
    window_s: Annotated[int, Field(ge=1, le=3600)] = 10
    late_s: Seconds = 60.0
    host: str = "local"
    httplog: HttplogSettings = HttplogSettings()
    container_log_mb: Annotated[float, Field(gt=0, le=1_000_000)] = 200.0

    @property
    def target(self) -> str:
        """Where senders reach the collector."""
        return self.address or self.listen


class ActionRule(Strict):
    """One rule from path to action, first match wins.

    path: a template: "/product/{id}" ({x} is one segment, a trailing {x...} is the rest). method: GET and
    so on, or "*". action: the name; default "METHOD path".
    """

    path: Annotated[str, Field(pattern=r"^/")]
    method: str = "*"
    action: str | None = None


class FieldNames(Strict):
    """What the fields of a jsonl event are called in the user's own log."""

    time: str = "time"
    service: str = "service"
    revision: str = "revision"
    action: str = "action"
    path: str = "path"
    method: str = "method"
    code: str = "code"
    duration_ms: str = "duration_ms"
    host: str = "host"


class ImportSettings(Strict):
    """How the user's own logs are read: names of jsonl fields, and the format string of combined logs.

    ignore_paths: paths (exact) that are not user traffic, such as a monitor's probe; counted apart.
    """

    fields: FieldNames = FieldNames()
    log_format: str | None = None
    ignore_paths: tuple[str, ...] = ()


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
    the environment, or "ssh://user@host", with the path of the engine's socket where it is another; `runtime.instances` run on each. publish: the address that ports are
    published at and the balancer connects to; default 127.0.0.1, of an ssh:// engine that host.
    memory, cpus, pids: limits. tmpfs: writable folders in memory, with their size. volumes: named volumes, to where
    they are mounted. cap_add: capabilities beyond none. network: a network of the engine's, to join as well.
    host_network_because: the reason why containers use the host's network; without one they do not.
    log: "json-file", or "syslog" to the collector; log_size, log_files: both are bounded.
    secrets_dir: a folder in memory (tmpfs) of the engine's host. pull: "never" takes only what is there.
    """

    image: Image | Literal[""] = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    hosts: tuple[Engine, ...] = ("",)
    publish: Annotated[str, Field(pattern=r"^([A-Za-z0-9.-]{1,253})?$")] = ""
    memory: Size = "512m"
    cpus: Annotated[float, Field(gt=0, le=256)] = 1.0
    pids: Annotated[int, Field(ge=1, le=100_000)] = 256
    tmpfs: dict[Inside, Size] = Field(default_factory=lambda: {"/tmp": "64m"})  # noqa: S108 - in a container
    volumes: dict[VolumeName, Inside] = Field(default_factory=dict)
    cap_add: tuple[Annotated[str, Field(pattern=r"^[A-Z][A-Z_]{1,30}$")], ...] = ()
    network: VolumeName | Literal[""] = ""
    host_network_because: str = ""
    log: Literal["json-file", "syslog"] = "json-file"
    log_size: Size = "10m"
    log_files: Annotated[int, Field(ge=1, le=100)] = 3
    secrets_dir: Inside = "/dev/shm"  # noqa: S108 - this is the folder in memory
    pull: Literal["missing", "never"] = "missing"

    @model_validator(mode="after")
    def _capabilities(self) -> DockerSettings:
        if "ALL" in self.cap_add:
            raise ValueError("cap_add must name capabilities, not ALL")
        return self


class SwarmSettings(Strict):
    """What Swarm adds, for `kind = "swarm"`. constraints: of placement, such as "node.labels.zone == a".

    parallelism, delay_s: how many tasks the engine replaces at once in an update, and the pause between.
    Each task publishes a port of its own on its node; one that the engine has replaced is told as drift by
    `pratique status`, and `pratique up` brings it into the pool.
    """

    constraints: tuple[
        Annotated[str, Field(pattern=r"^(node|engine)\.[A-Za-z0-9._-]+ ?[!=]= ?[A-Za-z0-9._-]+$")], ...
    ] = ()
    parallelism: Annotated[int, Field(ge=1)] = 1
    delay_s: Seconds = 1.0


class RuntimeSettings(Strict):
    """Where releases run. `kind = "process"`: local processes from release directories; "docker", "swarm".

    releases: folder with one directory per revision. command: argv, with {port}, {dir} and {python} filled in;
    of an image its own command where this is empty. env: configuration injected by environment; a value may be
    "env:NAME" or "file:PATH": a container gets it as a file, named by NAME_FILE.
    ready: path that answers 200 when an instance can take traffic. instances: per revision, and host.
    """

    kind: Literal["process", "docker", "swarm"] = "process"
    releases: str = "releases"
    command: tuple[str, ...] = ()
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")], str] = Field(default_factory=dict)
    ready: Asked = "/healthz"
    ready_deadline_s: Annotated[float, Field(gt=0, le=86400)] = 30.0
    drain_s: Seconds = 10.0
    instances: Annotated[int, Field(ge=1, le=100)] = 1
    docker: DockerSettings = DockerSettings()
    swarm: SwarmSettings = SwarmSettings()

    @model_validator(mode="after")
    def _image(self) -> RuntimeSettings:
        if self.kind != "process" and not self.docker.image:
            raise ValueError(f'kind = "{self.kind}" needs docker.image: name the repository of the images')
        return self


class HAProxySettings(Strict):
    """How HAProxy is set up, for `kind = "haproxy"`.

    directory: configuration, shares and sockets; default haproxy/SERVICE below the state folder. hosts: the
    balancer hosts, "ssh://user@host:port" each; none is this machine. image: run it as a container of this image.
    state: where the wanted pool is kept: "" is a file beside the configuration, "redis://host:port/db" is shared
    by several balancer hosts. certificate: PEM file with key, which turns TLS on; warn_days: before it expires.
    threads: more than one takes the count away by which lost access lines are noticed.
    stay_cookie: name of a cookie that keeps a user's place in the draw, and so on a revision. first_header,
    first_users: whose header has one of these values goes to the canary first; such requests are not compared.
    probe_paths: requests for exactly these are a monitor's, and are not measured; default the readiness path.
    template: a configuration template of your own (Jinja), in place of the one that comes along.
    """

    directory: str = ""
    binary: Plain = "haproxy"
    hosts: tuple[
        Annotated[
            str, Field(pattern=r"^ssh://([A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]{1,5})?$")
        ],
        ...,
    ] = ()
    image: Annotated[str, Field(pattern=r"^([a-z0-9][A-Za-z0-9._/:@-]{0,254})?$")] = ""
    state: Annotated[str, Field(pattern=r"^((redis|rediss)://[!-~]+)?$")] = ""
    certificate: Plain = ""
    warn_days: Annotated[float, Field(ge=0, le=36500)] = 14.0
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    stay_cookie: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,64}$")] = ""
    first_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{0,64}$")] = ""
    first_users: tuple[Plain, ...] = ()
    probe_paths: tuple[Asked, ...] = ()
    template: str = ""


class BalancerSettings(Strict):
    """Who gets the traffic. `kind = "embedded"`: `pratique balancer`, a reverse proxy of our own; or "haproxy".

    listen: where users connect. control: where runbooks set the embedded balancer's weights; loopback only.
    timeout_s: how long a server may take to answer.
    """

    kind: Literal["embedded", "haproxy"] = "embedded"
    listen: Address = "127.0.0.1:8080"
    control: Annotated[
        str, Field(pattern=r"^(127\.[0-9.]+|localhost|\[::1\]):[0-9]{1,5}$"), AfterValidator(_port_is_one)
    ] = "127.0.0.1:8081"
    timeout_s: Annotated[float, Field(ge=0.001, le=86400)] = 30.0
    haproxy: HAProxySettings = HAProxySettings()


class RolloutSettings(Strict):
    """How a release goes: shares of traffic, one stage after another, each judged at every window.

    stages: percent. stage_min_windows: windows a stage lasts at least; the last stage lasts until the
    verdict or the deadline. lease_s: the canary's traffic lapses when the runbook dies; at most 8, so
    that it is back within 10 s. baseline: "running" compares with what runs, "fresh" starts an instance
    of the baseline as old as the canary. approval: "automatic", or "ask" the person between stages.
    acceptance: paths that every new instance must answer below 400 before it gets any traffic.
    acceptance_command: argv of a test that must end with 0, once per instance, with {address}, {service},
    {revision} and {python} filled in. acceptance_deadline_s: for all of it, per instance.
    """

    stages: tuple[Annotated[float, Field(gt=0, le=100)], ...] = (5.0, 25.0, 50.0)
    stage_min_windows: Annotated[int, Field(ge=1)] = 3
    lease_s: Annotated[float, Field(gt=0, le=8)] = 6.0
    baseline: Literal["running", "fresh"] = "running"
    approval: Literal["automatic", "ask"] = "automatic"
    acceptance: tuple[Asked, ...] = ()
    acceptance_command: tuple[str, ...] = ()
    acceptance_deadline_s: Annotated[float, Field(gt=0, le=86400)] = 60.0

    @model_validator(mode="after")
    def _rising(self) -> RolloutSettings:
        if not self.stages or list(self.stages) != sorted(set(self.stages)):
            raise ValueError("stages must be given, rising, each once")
        return self


class ServiceSettings(Strict):
    """Everything about one service."""

    actions: tuple[ActionRule, ...] = ()
    runtime: RuntimeSettings = RuntimeSettings()
    balancer: BalancerSettings = BalancerSettings()
    rollout: RolloutSettings = RolloutSettings()
    judge: Policy = Field(default_factory=Policy)
    imports: ImportSettings = ImportSettings()


class Config(Strict):
    """The whole service file. `state` is the folder of ledger, journals and the collector's log."""

    state: str = ".pratique"
    store: StoreSettings = StoreSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    services: dict[Name, ServiceSettings] = Field(default_factory=dict)
    base: Annotated[str, Field(exclude=True)] = "."
    file: Annotated[str, Field(exclude=True)] = ""

    @model_validator(mode="after")
    def _collector_within_reach(self) -> Config:
        host = self.telemetry.target.rpartition(":")[0]
        for name, service in self.services.items():
            away = sorted(filter(_is_away, _senders_of(service)))
            if away and not self.telemetry.address and (_is_own(host) or host in {"0.0.0.0", "[::]", "::"}):  # noqa: S104 - compared
                raise ValueError(
                    f"services.{name}: {away[0]} would send its log to itself at {self.telemetry.target!r}: set "
                    "telemetry.address to where the collector is reached from there"
                )
        return self

    def service(self, name: str) -> ServiceSettings:
        """The settings of a service; the defaults where the file does not name it.

        Raises: UsageError when `name` cannot be a service's name.
        """
        check_name("service", name)
        return self.services.get(name, ServiceSettings())

    def path(self, relative: str) -> Path:
        """A path of the service file, taken from the folder that the file stands in."""
        return Path(self.base, relative)

    @property
    def state_dir(self) -> Path:
        """The folder of everything that is kept beside the store."""
        return self.path(self.state)


def _senders_of(service: ServiceSettings) -> list[str]:
    """The hosts that send access lines or container logs to the collector."""
    balancers = service.balancer.haproxy.hosts if service.balancer.kind == "haproxy" else ()
    logged = service.runtime.kind != "process" and service.runtime.docker.log == "syslog"
    return [*balancers, *(service.runtime.docker.hosts if logged else ())]


def _is_away(host: str) -> bool:
    return host.startswith("ssh://") and not _is_own(urlsplit(host).hostname or "")


def _is_own(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host in {"::1", "[::1]"}


def check_name(what: str, value: str) -> str:
    """Return `value` when it can be the name of a service or revision, in files and queries alike.

    Raises: UsageError.
    """
    if not re.fullmatch(NAME, value):
        raise UsageError(
            f"{what} {value[:80]!r} is not a name: use letters, digits, '.', '_' and '-', at most 100, starting with a letter or digit"
        )
    return value


def check_address(value: str) -> str:
    """Return `value` when it is an address to listen at, HOST:PORT.

    Raises: UsageError.
    """
    try:
        return str(TypeAdapter(Address).validate_python(value))
    except ValidationError:
        raise UsageError(f"{value[:80]!r} is no address: give HOST:PORT, with a port up to 65535") from None


def load(path: str | Path | None = None, *, store: str | None = None) -> Config:
    """Read the service file: `path`, else the environment's PRATIQUE_CONFIG, else pratique.toml where it
    exists, else the defaults. An empty path counts as none, so that a notebook's parameter can be "".

    store: overrides the store of the file, as does the environment's PRATIQUE_STORE (the argument wins).
    Raises: MissingError, DeniedError, ConfigError naming file, line and key.
    """
    named = path or os.environ.get("PRATIQUE_CONFIG")
    config = _read(Path(named), named=True) if named else _read(Path(DEFAULT_FILE), named=False)
    url = store or os.environ.get("PRATIQUE_STORE")
    if url:
        absolute = url if "://" in url else str(Path(url).absolute())
        config = config.model_copy(update={"store": config.store.model_copy(update={"url": absolute})})
    return config


def _read(path: Path, *, named: bool) -> Config:
    try:
        text = path.read_text(encoding="utf-8")
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
    """Validate the text of a service file that stands at `path`.

    Raises: ConfigError naming file, line and key.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    for key in {"base", "file"} & data.keys():
        raise ConfigError(f"{path}:{line_of(text, (key,))}: {key}: unknown key: take it out")
    try:
        return Config.model_validate({**data, "base": str(path.absolute().parent), "file": str(path.absolute())})
    except ValidationError as error:
        raise ConfigError(_first_problem(text, path, error)) from error


def _first_problem(text: str, path: Path, error: ValidationError) -> str:
    problem = error.errors()[0]
    keys = tuple(part for part in problem["loc"] if part != "[key]")
    known = "unknown key: take it out or check its spelling"
    message = known if problem["type"] == "extra_forbidden" else problem["msg"]
    got = problem.get("input")
    shown = f" (got {got!r:.60})" if isinstance(got, str | int | float | bool) and message != known else ""
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{path}:{line_of(text, keys)}: {'.'.join(map(str, keys))}: {message}{shown}{more}"


def line_of(text: str, keys: tuple[str | int, ...]) -> int:
    """The line (from 1) on which a key of a TOML text is set, or that of the nearest table around it.

    A TOML parser keeps no positions, so this follows table headers and keys as they are written.
    """
    names = [str(key) for key in keys if isinstance(key, str)]
    best, best_depth, table = 1, 0, []
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?", line)
        setting = re.match(r"\s*([A-Za-z0-9_.\"'-]+)\s*=", line)
        if header:
            table = _split_key(header.group(1))
            here = table
        elif setting:
            here = table + _split_key(setting.group(1))
        else:
            continue
        depth = _common(here, names)
        if depth == len(here) and depth > best_depth:
            best, best_depth = number, depth
    return best


@lru_cache(maxsize=1024)
def _split_cached(key: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.]+", key))


def _split_key(key: str) -> list[str]:
    return list(_split_cached(key))


def _common(left: list[str], right: list[str]) -> int:
    count = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        count += 1
    return count
