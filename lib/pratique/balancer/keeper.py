"""What a balancer keeps: its state in memory, and on disk for the time after a restart."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from pratique.balancer.base import Lease, Pool
from pratique.balancer.shares import State
from pratique.errors import MissingError, StorageError


class Keeper:
    """The pool in force. A lease does not outlive the process: after a restart its share is the baseline's."""

    def __init__(self, file: Path) -> None:
        """file: where the state is kept; what stands there already is taken up."""
        self._file = file
        self._state = _read(file)
        if self._state is not None and self._state.lease is not None:
            self._put(self._state.at(float("inf")))

    @property
    def state(self) -> State | None:
        """The state now, after any lapse; None before there is a pool."""
        return None if self._state is None else self._state.at(time.monotonic())

    def apply(self, pool: Pool) -> None:
        """Make this the pool. A lease goes on when its revisions are still there with the same shares."""
        now = self.state
        keeps = now is not None and now.lease is not None and now.pool.weights == pool.weights
        if keeps and now is not None and {now.lease.canary, now.lease.baseline} <= set(pool.servers):  # type: ignore[union-attr]
            self._put(State(pool, now.lease, now.expires, now.lapses))
        else:
            self._put(State(pool, lapses=now.lapses if now else 0))

    def set_shares(self, shares: dict[str, float], lease: Lease | None) -> None:
        """Change the shares. Raises: UsageError, MissingError, StorageError."""
        self._put(self._present().with_shares(shares, lease, time.monotonic()))

    def renew(self) -> None:
        """Renew the lease. Raises: MissingError when it has lapsed."""
        # in memory only: a lease does not outlive the process
        self._state = self._present().renewed(time.monotonic())

    def lapse(self) -> Iterator[str]:
        """Write a lapse down as soon as it has happened; yields a line for the log when one has."""
        before, now = self._state, self.state
        if before is not None and now is not None and before.lease is not None and now.lease is None:
            self._put(now)
            yield f"lease lapsed: the share of {before.lease.canary} is back on {before.lease.baseline}"

    def _present(self) -> State:
        state = self.state
        if state is None:
            raise MissingError("the balancer has no pool yet: pratique up SERVICE REVISION")
        return state

    def _put(self, state: State) -> None:
        content = {
            "pool": asdict(state.pool),
            "lease": asdict(state.lease) if state.lease else None,
            "lapses": state.lapses,
        }
        draft = self._file.with_suffix(".new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("w", encoding="utf-8") as file:
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._file)
        except OSError as error:
            raise StorageError(f"balancer cannot keep its state in {str(self._file)!r}: {error.strerror}") from error
        self._state = state


def _read(file: Path) -> State | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    servers = {revision: tuple(addresses) for revision, addresses in content["pool"]["servers"].items()}
    pool = Pool(content["pool"]["service"], servers, content["pool"]["weights"])
    lease = Lease(**content["lease"]) if content["lease"] else None
    return State(pool, lease, lapses=content["lapses"])
