"""The state that a service's balancers are wanted to have, in a file or in Redis, changed by compare-and-set.

Every change names the version that it was made from, so that two operators cannot overwrite each other.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pratique.balancer.base import Lease, Pool
from pratique.clock import utc_now
from pratique.errors import BusyError, DataError, StorageError, UnavailableError
from pratique.files import replace_file

ALIVE_S = 4.0
FOLLOWED_S = 10.0


@dataclass(frozen=True)
class Wanted:
    """A pool with its shares, and the lease. version: 0 before the first; who, time: of the last change."""

    version: int = 0
    pool: Pool | None = None
    lease: Lease | None = None
    who: str = ""
    time: str = ""


class WantedState(Protocol):
    """Where it is kept."""

    def get(self) -> Wanted:
        """What is wanted now."""

    def put(self, before: Wanted, pool: Pool | None, lease: Lease | None) -> Wanted:
        """Replace `before`. Raises: BusyError when somebody else has replaced it meanwhile."""

    def renew(self, ttl_s: float) -> None:
        """Say that the lease's holder lives, for `ttl_s`."""

    def lease_left_s(self) -> float:
        """Seconds until the holder counts as dead; 0 when it does."""

    def seen(self, version: int) -> None:
        """Say, as a follower, which version this host has in force."""

    def followed(self, version: int) -> None:
        """Wait until every live follower has this version in force. Raises: UnavailableError naming who has not."""


class WantedFile:
    """In a file: for one balancer host, or for those that one machine changes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self) -> Wanted:
        """What is wanted now. Raises: DataError."""
        try:
            return _from_json(self._path.read_text(encoding="utf-8"), str(self._path))
        except FileNotFoundError:
            return Wanted()

    def put(self, before: Wanted, pool: Pool | None, lease: Lease | None) -> Wanted:
        """Replace `before`. Raises: BusyError, StorageError."""
        after = _next(before, pool, lease)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                _require_same(before, self.get())
                replace_file(self._path, _to_json(after))
        except OSError as error:
            raise StorageError(f"{str(self._path)!r} cannot be written: {error.strerror}") from error
        return after

    def renew(self, ttl_s: float) -> None:
        """HAProxy itself keeps the lease."""

    def lease_left_s(self) -> float:
        """Nobody follows a file."""
        return 0.0

    def seen(self, version: int) -> None:
        """Nobody follows a file."""

    def followed(self, version: int) -> None:
        """Nobody follows a file."""


class WantedRedis:
    """In Redis: several balancer hosts follow it."""

    def __init__(self, url: str, service: str) -> None:
        """url: "redis://host:port/db"; nothing is asked before the first call."""
        import redis  # noqa: PLC0415 - only where it is used

        self._client = redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5, decode_responses=True)
        self._errors = redis.RedisError
        self._where = url.rpartition("@")[2]
        self._key = f"pratique:{service}:wanted"
        self._lease = f"pratique:{service}:lease"
        self._seen = f"pratique:{service}:seen:"
        # the comparison and the setting are one step for Redis
        self._swap = self._client.register_script(
            "local now = redis.call('GET', KEYS[1]) "
            "if (now or '') == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return 1 end return 0"
        )

    def get(self) -> Wanted:
        """What is wanted now. Raises: UnavailableError, DataError."""
        text = self._text()
        return _from_json(text, self._key) if text else Wanted()

    def put(self, before: Wanted, pool: Pool | None, lease: Lease | None) -> Wanted:
        """Replace `before`. Raises: BusyError, UnavailableError."""
        after, text = _next(before, pool, lease), self._text()
        _require_same(before, _from_json(text, self._key) if text else Wanted())
        if not self._ask(self._swap, keys=[self._key], args=[text, _to_json(after)]):
            _require_same(before, self.get())
        return after

    def renew(self, ttl_s: float) -> None:
        """Followers renew HAProxy's lease only while this holds."""
        self._ask(self._client.set, self._lease, "held", px=max(1, round(ttl_s * 1000)))

    def lease_left_s(self) -> float:
        """Seconds until the holder counts as dead."""
        return max(0.0, float(self._ask(self._client.pttl, self._lease)) / 1000)

    def seen(self, version: int) -> None:
        """Say which version this host has in force; a host that says nothing for some seconds counts as dead."""
        host = f"{self._seen}{os.uname().nodename}:{os.getpid()}"
        self._ask(self._client.set, host, str(version), px=round(ALIVE_S * 1000))

    def followed(self, version: int) -> None:
        """Wait until every live follower has this version in force. Raises: UnavailableError naming who has not."""
        deadline = time.monotonic() + FOLLOWED_S
        while True:
            names = list(self._ask(lambda: list(self._client.scan_iter(match=f"{self._seen}*"))))
            behind = [name for name in names if int(self._ask(self._client.get, name) or version) < version]
            if not behind:
                return
            if time.monotonic() > deadline:
                who = behind[0].removeprefix(self._seen)
                raise UnavailableError(
                    f"balancer host {who} has not taken version {version} of the pool: look at its log"
                )
            time.sleep(0.05)

    def _text(self) -> str:
        return str(self._ask(self._client.get, self._key) or "")

    def _ask(self, call: Any, *args: Any, **named: Any) -> Any:
        try:
            return call(*args, **named)
        except self._errors as error:
            raise UnavailableError(f"Redis does not answer at {self._where}: {error}: start it") from error


def _next(before: Wanted, pool: Pool | None, lease: Lease | None) -> Wanted:
    who = os.environ.get("PRATIQUE_WHO") or f"process {os.getpid()} of {os.uname().nodename}"
    return Wanted(before.version + 1, pool, lease, who, utc_now().isoformat(timespec="seconds"))


def _require_same(before: Wanted, now: Wanted) -> None:
    if now.version != before.version:
        raise BusyError(
            f"the pool was changed meanwhile by {now.who} at {now.time} (version {now.version}, "
            f"not {before.version}): look at it, and try again"
        )


def _to_json(wanted: Wanted) -> str:
    pool, lease = wanted.pool, wanted.lease
    content = {
        "version": wanted.version,
        "pool": pool and {"service": pool.service, "servers": pool.servers, "weights": pool.weights},
        "lease": lease and {"canary": lease.canary, "baseline": lease.baseline, "ttl_s": lease.ttl_s},
        "who": wanted.who,
        "time": wanted.time,
    }
    return json.dumps(content, indent=1)


def _from_json(text: str, where: str) -> Wanted:
    try:
        content = json.loads(text)
        pool = content["pool"]
        if pool is not None:
            servers = {revision: tuple(addresses) for revision, addresses in pool["servers"].items()}
            pool = Pool(pool["service"], servers, pool["weights"])
        lease = Lease(**content["lease"]) if content["lease"] else None
        return Wanted(int(content["version"]), pool, lease, str(content["who"]), str(content["time"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"the wanted pool in {where!r} is damaged: remove it, and apply the pool again") from error
