"""What a store that is only read refuses, and what to do when it has nothing."""

from __future__ import annotations

from typing import TypeGuard

from pratique.config.store import StoreSettings
from pratique.errors import UsageError
from pratique.store.base import ScrapedStore, Store


def require_writable(settings: StoreSettings) -> None:
    """Refuse a store that is only read, before anything is parsed or started for it. Raises: UsageError."""
    if settings.is_read_only:
        by = (
            "[store.points] describes what another program writes"
            if settings.is_points
            else "its server scrapes the services itself"
        )
        raise UsageError(
            f"store {settings.url!r} is only read: {by}; to import logs or to run a collector, set another [store] url"
        )


def empty_hint(settings: StoreSettings, service: str | None = None) -> str:
    """Return what to do when a store has no requests, of a service or at all."""
    if settings.is_read_only and service:
        table = "store.points" if settings.is_points else "store.metrics"
        return f"pratique revisions lists the services that [{table}] finds"
    if settings.is_points:
        return (
            f"it has no points of measurement {settings.points.measurement!r} in the last {settings.points.history_h:g} h with the "
            "fields and the match of [store.points]: check them with pratique store check"
        )
    if settings.is_prometheus:
        return (
            f"it has no series {settings.metrics.requests!r} in the last {settings.metrics.history_h:g} h: "
            "check [store.metrics] with pratique store check, and the targets of the server"
        )
    return "import a log first: pratique import --help"


def is_scraped(store: Store) -> TypeGuard[ScrapedStore]:
    """Whether a store is read from what another server scrapes, so that no collector is needed."""
    return hasattr(store, "newest")
