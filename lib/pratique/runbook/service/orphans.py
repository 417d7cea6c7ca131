"""Instances that a dead run left behind: found, told, and removed only when somebody asks for it."""

from __future__ import annotations

from collections.abc import Sequence

from pratique.balancer.base import Balancer
from pratique.config import Target
from pratique.ledger import current_user
from pratique.runbook.engine.lock import Lock
from pratique.runtime.base import Instance, Runtime, in_use_by

UNDO = ".undo"
"""What a run's id ends with on instances that it started anew while it undid."""
RUN = "orphans"
"""The run id under which the lock is held while they are removed."""


def find_orphans(target: Target, runtime: Runtime, balancer: Balancer) -> list[Instance]:
    """The instances that get no traffic, and will not: the pool does not live by them, and they are of no run that is
    at work; those that have ended, where the engine keeps them, are the last.

    None while there is no pool: then nobody can say what belongs to whom.
    Raises: UnavailableError when engine or balancer does not answer.
    """
    service = target.service
    lock = Lock(target.state_dir, service)
    # asked before and after: a run may begin or end while the engine is asked
    before, running, ended = lock.holder(), runtime.list(service), runtime.exited(service)
    pool, after = balancer.pool(service), lock.holder()
    if pool is None:
        return []
    at_work = {holder.run for holder in (before, after) if holder}
    # what has ended serves nobody, unless an engine replaces what is in its group
    kept = {i.id for i in in_use_by([*running, *(i for i in ended if i.group)], pool.servers)}
    return [i for i in [*running, *ended] if i.id not in kept and i.run.removesuffix(UNDO) not in at_work]


def remove_orphans(target: Target, runtime: Runtime, balancer: Balancer, *, who: str = "") -> list[Instance]:
    """Drain and stop them, with the service held meanwhile; return those that were removed.

    A run that died with the service's lock is ended first: what it had begun is undone and recorded.
    Raises: BusyError when a run is at work, UnavailableError.
    """
    from pratique.runbook.service.session import end_abandoned  # noqa: PLC0415 - the judge, and hardly ever needed

    service = target.service
    before = _known(runtime, service)
    end_abandoned(target, f"{who or current_user()} removes what dead runs left behind")
    lock = Lock(target.state_dir, service)
    lock.take(who=who or current_user(), run=RUN, reason="removes what dead runs left behind")
    try:
        for instance in find_orphans(target, runtime, balancer):
            runtime.stop(instance, drain_s=target.settings.runtime.drain_s)
        left = {instance.id for instance in _known(runtime, service)}
    finally:
        lock.release()
    return [instance for instance in before if instance.id not in left]


def _known(runtime: Runtime, service: str) -> list[Instance]:
    return [*runtime.list(service), *runtime.exited(service)]


def describe_orphans(orphans: Sequence[Instance]) -> list[str]:
    """One line each, for people."""
    return [
        f"{i.revision} at {i.address or 'no address'}, {i.role} of run {i.run}, since {i.started:%Y-%m-%d %H:%M:%SZ}"
        for i in orphans
    ]
