"""The desired state of a service's balancers, in a file or in Redis.

Every change is a compare-and-set: it names the version that it is based on, and fails if another process has changed
the state in the meantime.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from typing_extensions import override

from pratique.balancer.base import Lease, Pool
from pratique.clock import utc_now
from pratique.errors import BusyError, DataError, StorageError, UnavailableError
from pratique.files import replace_file
from pratique.kept_json import parse_kept

FOLLOWER_TTL_S = 4.0
"""A follower that does not report for this time counts as dead."""
FOLLOW_TIMEOUT_S = 10.0
POLL_S = 0.05


@dataclass(frozen=True)
class DesiredState:
    """The desired pool, with its shares, and the lease. version: 0 before the first change. who, time: of the last."""

    version: int = 0
    pool: Pool | None = None
    lease: Lease | None = None
    who: str = ""
    time: str = ""


class DesiredStateStore(Protocol):
    """A store of the desired state, which one process changes and followers apply."""

    def get(self) -> DesiredState:
        """Return the desired state. Raises: DataError, UnavailableError."""

    def put(self, before: DesiredState, pool: Pool | None, lease: Lease | None) -> DesiredState:
        """Replace `before`. Raises: BusyError when another process has replaced it, StorageError, UnavailableError."""

    def renew_lease(self, ttl_s: float) -> None:
        """Report that the holder of the lease is alive, valid for `ttl_s`."""

    def lease_left_s(self) -> float:
        """Return the seconds until the holder of the lease counts as dead; 0 if it does."""

    def report_version(self, version: int) -> None:
        """Report, as a follower, the version that this host has applied."""

    def wait_followers(self, version: int) -> None:
        """Wait until every live follower has applied a version. Raises: UnavailableError naming one that has not."""


class DesiredStateFile(DesiredStateStore):
    """A file, for one balancer host or for hosts that are changed from one machine. It has no followers."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @override
    def get(self) -> DesiredState:
        try:
            return _from_json(self._path.read_bytes(), str(self._path))
        except FileNotFoundError:
            return DesiredState()

    @override
    def put(self, before: DesiredState, pool: Pool | None, lease: Lease | None) -> DesiredState:
        after = _next(before, pool, lease)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                _require_same(before, self.get())
                replace_file(self._path, _to_json(after))
        except OSError as error:
            raise StorageError(f"cannot write {str(self._path)!r}: {error.strerror}") from error
        return after

    @override
    def renew_lease(self, ttl_s: float) -> None:
        """Do nothing: HAProxy itself keeps the lease."""

    @override
    def lease_left_s(self) -> float:
        return 0.0

    @override
    def report_version(self, version: int) -> None: ...

    @override
    def wait_followers(self, version: int) -> None: ...


class DesiredStateRedis(DesiredStateStore):
    """Redis, for several balancer hosts that follow the desired state."""

    def __init__(self, url: str, service: str) -> None:
        """url: "redis://host:port/db". The first call connects."""
        import redis  # noqa: PLC0415 - only needed here

        self._client = redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5, decode_responses=True)
        self._errors = redis.RedisError
        self._where = url.rpartition("@")[2]
        self._key = f"pratique:{service}:wanted"
        self._lease = f"pratique:{service}:lease"
        self._seen = f"pratique:{service}:seen:"
        # Redis runs the script atomically
        self._swap = self._client.register_script(
            "local now = redis.call('GET', KEYS[1]) "
            "if (now or '') == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return 1 end return 0"
        )

    @override
    def get(self) -> DesiredState:
        text = self._text()
        return _from_json(text, self._key) if text else DesiredState()

    @override
    def put(self, before: DesiredState, pool: Pool | None, lease: Lease | None) -> DesiredState:
        after, text = _next(before, pool, lease), self._text()
        _require_same(before, _from_json(text, self._key) if text else DesiredState())
        if not self._ask(self._swap, keys=[self._key], args=[text, _to_json(after)]):
            _require_same(before, self.get())
        return after

    @override
    def renew_lease(self, ttl_s: float) -> None:
        """Report that the holder is alive. Followers renew HAProxy's lease only during `ttl_s`."""
        self._ask(self._client.set, self._lease, "held", px=max(1, round(ttl_s * 1000)))

    @override
    def lease_left_s(self) -> float:
        return max(0.0, float(self._ask(self._client.pttl, self._lease)) / 1000)

    @override
    def report_version(self, version: int) -> None:
        host = f"{self._seen}{os.uname().nodename}:{os.getpid()}"
        self._ask(self._client.set, host, str(version), px=round(FOLLOWER_TTL_S * 1000))

    @override
    def wait_followers(self, version: int) -> None:
        deadline = time.monotonic() + FOLLOW_TIMEOUT_S
        while True:
            names = list(self._ask(lambda: list(self._client.scan_iter(match=f"{self._seen}*"))))
            behind = [name for name in names if int(self._ask(self._client.get, name) or version) < version]
            if not behind:
                return
            if time.monotonic() > deadline:
                who = behind[0].removeprefix(self._seen)
                raise UnavailableError(
                    f"balancer host {who} has not applied version {version} of the pool: check its log"
                )
            time.sleep(POLL_S)

    def _text(self) -> str:
        return str(self._ask(self._client.get, self._key) or "")

    def _ask(self, call: Any, *args: Any, **named: Any) -> Any:
        try:
            return call(*args, **named)
        except self._errors as error:
            raise UnavailableError(
                f"Redis does not answer at {self._where}: {error}: start it, or check balancer.haproxy.state_url"
            ) from error


def _next(before: DesiredState, pool: Pool | None, lease: Lease | None) -> DesiredState:
    who = os.environ.get("PRATIQUE_WHO") or f"process {os.getpid()} of {os.uname().nodename}"
    return DesiredState(before.version + 1, pool, lease, who, utc_now().isoformat(timespec="seconds"))


def _require_same(before: DesiredState, now: DesiredState) -> None:
    if now.version != before.version:
        raise BusyError(
            f"{now.who} changed the pool at {now.time} (version {now.version}, expected {before.version}): "
            "check the pool, and try again"
        )


def _to_json(desired: DesiredState) -> str:
    pool, lease = desired.pool, desired.lease
    content = {
        "version": desired.version,
        "pool": pool and {"service": pool.service, "servers": pool.servers, "weights": pool.weights},
        "lease": lease and asdict(lease),
        "who": desired.who,
        "time": desired.time,
    }
    return json.dumps(content, indent=1)


def _from_json(text: str | bytes, where: str) -> DesiredState:
    try:
        state = parse_kept(text, DesiredState)
        if not state.version:  # every state that was written has one
            raise ValueError("no version")  # noqa: TRY301 - one message for all
    except ValueError as error:
        raise DataError(f"the desired pool in {where!r} is corrupt: delete it, and apply the pool again") from error
    return state
