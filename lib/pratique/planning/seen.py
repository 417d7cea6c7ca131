"""The revisions of a service that a plan can be measured from."""

from __future__ import annotations

from collections.abc import Sequence

from pratique.errors import MissingError
from pratique.store.base import Seen, Store
from pratique.store.read_only import is_scraped


def revisions_seen(store: Store, service: str) -> Sequence[Seen]:
    """Return the revisions of a service that have requests in the store. Raises: MissingError when there is none."""
    seen = store.revisions(service)
    if not seen:
        known = sorted({revision.service for revision in store.revisions()})
        hint = "give the traffic with --requests-per-minute, or " + (
            "check [store.metrics] or [store.points]" if is_scraped(store) else "import a log first"
        )
        raise MissingError.unknown("service", service, known, where="in the store", hint=hint)
    return seen
