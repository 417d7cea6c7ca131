"""Orphans: instances that a crashed run left behind. They are listed, and removed only on request."""

from __future__ import annotations

from collections.abc import Sequence

from pratique.balancer.base import Balancer
from pratique.config import Target
from pratique.runtime.base import Instance, Runtime, in_use_by
from pratique.subject_lock import Lock

UNDO_SUFFIX = ".undo"
"""Ends the run id of instances that a run started while it was undoing."""


def find_orphans(target: Target, runtime: Runtime, balancer: Balancer) -> list[Instance]:
    """Return the instances that the pool does not need and that belong to no active run.

    Exited instances that the engine still keeps come last. Without a pool the list is empty, because nothing then
    says which instance belongs to which run.
    Raises: UnavailableError when engine or balancer does not answer.
    """
    service = target.service
    lock = Lock(target.state_dir, service)
    # read twice: a run may begin or end while the engine answers
    before, running, exited = lock.holder(), runtime.list(service), runtime.exited(service)
    pool, after = balancer.pool(service), lock.holder()
    if pool is None:
        return []
    active = {holder.run for holder in (before, after) if holder}
    # an exited instance serves nobody, unless an engine replaces the instances of its group
    needed = {i.id for i in in_use_by([*running, *(i for i in exited if i.group)], pool.servers)}
    return [i for i in [*running, *exited] if i.id not in needed and i.run.removesuffix(UNDO_SUFFIX) not in active]


def describe_orphans(orphans: Sequence[Instance]) -> list[str]:
    """Return one line per orphan."""
    return [
        f"{i.revision} at {i.address or 'no address'}, {i.role} of run {i.run}, since {i.started:%Y-%m-%d %H:%M:%SZ}"
        for i in orphans
    ]
