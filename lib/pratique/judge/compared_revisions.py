"""Check that the revisions of a comparison have requests; nothing slow is imported for a refusal."""

from __future__ import annotations

from datetime import datetime

from pratique.errors import MissingError, UsageError
from pratique.store.base import Seen, Store


def compared_revisions(
    store: Store, service: str, baseline: str, canary: str, start: datetime | None, end: datetime | None
) -> dict[str, Seen]:
    """Return the revisions of the service in the store; both that are compared have requests in the range.

    Raises: UsageError for equal revisions or an empty range; MissingError.
    """
    if baseline == canary:
        raise UsageError(f"baseline and canary are both {canary!r}: name two revisions")
    if start is not None and end is not None and start >= end:
        raise UsageError(
            f"the time range is empty: start {start:%Y-%m-%dT%H:%M} is not before end {end:%Y-%m-%dT%H:%M}"
        )
    known = {seen.revision: seen for seen in store.revisions(service)}
    if not {baseline, canary} <= known.keys() and (start is not None or end is not None):
        # without a range, a store of another program's metrics lists those of the last hours only
        known |= {seen.revision: seen for seen in store.revisions(service, start, end)}
    if not known:
        raise unknown_service(store, service)
    for revision in (baseline, canary):
        if revision not in known:
            raise MissingError.unknown("revision", revision, sorted(known), where=f"of {service!r} in the store")
        seen = known[revision]
        if (start is not None and seen.last < start) or (end is not None and seen.first >= end):
            span = f"{start.isoformat() if start else 'the beginning'} to {end.isoformat() if end else 'the end'}"
            raise MissingError(
                f"no request of {revision!r} from {span}: it has requests from {seen.first.isoformat()} to {seen.last.isoformat()}"
            )
    return known


def unknown_service(store: Store, service: str) -> MissingError:
    """Return the error for a service that has no request in the store, with those that have."""
    services = sorted({seen.service for seen in store.revisions()})
    hint = "" if services else "import a log first"
    return MissingError.unknown("service", service, services, where="in the store", hint=hint)
