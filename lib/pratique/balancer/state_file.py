"""The state of the embedded balancer, kept in memory and in a file for the next start."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pratique.balancer.base import Lease, Pool
from pratique.balancer.lease import State
from pratique.clock import elapsed_s
from pratique.errors import DataError, DeniedError, MissingError, StorageError
from pratique.files import PRIVATE, replace_file
from pratique.kept_json import read_kept


class StateFile:
    """The active state and its file. A lease survives a restart, unless it expires in the meantime."""

    def __init__(self, file: Path) -> None:
        """Read the file if it exists. Raises: DataError when it is not the state of a balancer, DeniedError."""
        self._file = file
        self._state = _read(file)

    @property
    def state(self) -> State | None:
        """The current state, in which expired leases have ended; None before there is a pool."""
        return None if self._state is None else self._state.at(elapsed_s())

    def apply(self, pool: Pool) -> None:
        """Replace the pool. Raises: UsageError, StorageError."""
        now = self.state
        self._put((now or State(pool)).with_pool(pool))

    def set_shares(self, shares: dict[str, float], lease: Lease | None, held: int | None = None) -> None:
        """Set the shares. held: the id of the lease that must be in force. Raises: UsageError, MissingError, StorageError."""
        self._put(self._present().with_shares(shares, lease, elapsed_s(), held))

    def renew(self) -> None:
        """Renew the lease. Raises: MissingError when it has expired."""
        self._state = self._present().renewed(elapsed_s())
        with contextlib.suppress(StorageError):
            # a lease that is not on disk ends with the process, never later
            self._put(self._state)

    def expire_lease(self) -> Iterator[str]:
        """Store the state when a lease has expired. Yields lines for the log: the expiry, and an error of the disk."""
        before, now = self._state, self.state
        if before is None or now is None or before.lease is None or now.lease is not None:
            return
        self._state = now
        yield f"lease expired: {before.lease.baseline} gets the share of {before.lease.canary} again"
        try:
            self._put(now)
        except StorageError as error:
            yield str(error)

    def _present(self) -> State:
        state = self.state
        if state is None:
            raise MissingError("the balancer has no pool yet: run pratique up SERVICE REVISION")
        return state

    def _put(self, state: State) -> None:
        try:
            # not synced to the disk: if the machine dies, its servers die too
            replace_file(self._file, json.dumps(_to_json(state)), durable=False, mode=PRIVATE)
        except OSError as error:
            raise StorageError(f"balancer cannot write its state to {str(self._file)!r}: {error.strerror}") from error
        self._state = state


@cache
def _boot() -> str:
    """Return the id of this boot of the machine: times of the clock of another boot are meaningless."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


@dataclass(frozen=True)
class _Kept:
    pool: Pool
    lease: Lease | None
    expires: float | None
    lapsed: float | None
    lapses: int
    boot: str


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
        return _from_kept(read_kept(file, _Kept))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DeniedError(f"balancer cannot read its state from {str(file)!r}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(
            f"balancer's state file {str(file)!r} is corrupt: delete it, then run pratique up SERVICE REVISION"
        ) from error


def _from_kept(kept: _Kept) -> State:
    same_boot = kept.boot == _boot()
    # a lease of another boot has expired at an unknown time
    expires = kept.expires if same_boot and kept.expires is not None else elapsed_s()
    lapsed = kept.lapsed if same_boot else None
    return State(kept.pool, kept.lease, expires if kept.lease else math.inf, lapsed, kept.lapses)
