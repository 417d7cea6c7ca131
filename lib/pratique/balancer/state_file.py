"""What a balancer keeps: its state in memory, and on disk for the time after a restart."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from pratique.balancer.base import Lease, Pool
from pratique.balancer.shares import State
from pratique.errors import DataError, DeniedError, MissingError, StorageError
from pratique.files import replace_file


class Keeper:
    """The pool in force. A lease goes on over a restart, unless it lapses meanwhile."""

    def __init__(self, file: Path) -> None:
        """file: where the state is kept; what stands there already is taken up.

        Raises: DataError when it is not a balancer's state, DeniedError.
        """
        self._file = file
        self._state = _read(file)

    @property
    def state(self) -> State | None:
        """The state now, after any lapse; None before there is a pool."""
        return None if self._state is None else self._state.at(time.monotonic())

    def apply(self, pool: Pool) -> None:
        """Make this the pool. Raises: UsageError, StorageError."""
        now = self.state
        self._put((now or State(pool)).with_pool(pool))

    def set_shares(self, shares: dict[str, float], lease: Lease | None) -> None:
        """Change the shares. Raises: UsageError, MissingError, StorageError."""
        self._put(self._present().with_shares(shares, lease, time.monotonic()))

    def renew(self) -> None:
        """Renew the lease. Raises: MissingError when it has lapsed."""
        self._state = self._present().renewed(time.monotonic())
        with contextlib.suppress(StorageError):
            # a lease that is not on disk lapses with the process, no later
            self._put(self._state)

    def lapse(self) -> Iterator[str]:
        """Write a lapse down as soon as it has happened; yields a line for the log when one has."""
        before, now = self._state, self.state
        if before is None or now is None or before.lease is None or now.lease is not None:
            return
        self._state = now
        yield f"lease lapsed: the share of {before.lease.canary} is back on {before.lease.baseline}"
        try:
            self._put(now)
        except StorageError as error:
            yield str(error)

    def _present(self) -> State:
        state = self.state
        if state is None:
            raise MissingError("the balancer has no pool yet: pratique up SERVICE REVISION")
        return state

    def _put(self, state: State) -> None:
        try:
            # not forced to the disk: a machine that dies takes its servers with it
            replace_file(self._file, json.dumps(_to_json(state)), durable=False)
        except OSError as error:
            raise StorageError(f"balancer cannot keep its state in {str(self._file)!r}: {error.strerror}") from error
        self._state = state


@cache
def _boot() -> str:
    """Which boot of the machine this is: monotonic times of another one mean nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _to_json(state: State) -> dict[str, Any]:
    return {
        "pool": asdict(state.pool),
        "lease": asdict(state.lease) if state.lease else None,
        "expires": state.expires if state.lease else None,
        "lapsed": state.lapsed,
        "lapses": state.lapses,
        "boot": _boot(),
    }


def _read(file: Path) -> State | None:
    try:
        return _from_json(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DeniedError(f"balancer's state {str(file)!r} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"balancer's state {str(file)!r} is damaged: remove it, then: pratique up SERVICE REVISION"
        ) from error


def _from_json(content: dict[str, Any]) -> State:
    servers = {revision: tuple(addresses) for revision, addresses in content["pool"]["servers"].items()}
    pool = Pool(content["pool"]["service"], servers, content["pool"]["weights"])
    lease = Lease(**content["lease"]) if content["lease"] else None
    same_boot = content["boot"] == _boot()
    # a lease of another boot has lapsed, nobody knows when
    expires = content["expires"] if same_boot else time.monotonic()
    lapsed = content["lapsed"] if same_boot else None
    return State(pool, lease, expires if lease else math.inf, lapsed, content["lapses"])
