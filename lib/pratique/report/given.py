"""Arguments as a notebook passes them: text, where "" means that it is not given."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pratique.clock import utc_of
from pratique.errors import MissingError, UsageError

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.store.base import Store


def refuse_numbers(**texts: object) -> None:
    """Refuse a number where text is meant: papermill makes one of text that looks like it. Raises: UsageError."""
    for name, value in texts.items():
        if not isinstance(value, str):
            raise UsageError(
                f"{name} is the number {value!r:.80}, not text: with papermill, pass it as -r {name} VALUE"
            )


def given_time(name: str, text: str) -> datetime | None:
    """Return a time that is given as ISO 8601, UTC without a zone; None for "". Raises: UsageError."""
    if not text:
        return None
    try:
        return utc_of(text)
    except ValueError:
        raise UsageError(
            f"{name} {text!r:.80} is not a time of the years 1970 to 9998: write it as 2026-11-20T14:00 (UTC), or with a zone"
        ) from None


def existing_store(config: Config, start: datetime | None) -> Store:
    """Open the store of the settings. start: of the range that will be read. Raises: MissingError when it has nothing."""
    from pratique.store import empty_hint, open_store  # noqa: PLC0415 - deltalake, duckdb

    opened = open_store(config.store)
    # without a range, a server is asked for its last hours only: an older range is looked for where it is read
    is_older = config.store.is_read_only and start is not None
    if not is_older and not opened.exists():
        problem, hint = "does not exist", "import a log first (pratique import --help), or check the store's path"
        if config.store.is_read_only:
            problem, hint = "has no requests", empty_hint(config.store)
        raise MissingError(f"store {config.store.url!r} {problem}: {hint}")
    return opened


def only_service(store: Store) -> str:
    """Return the only service of a store. Raises: UsageError, with their names, when there are others."""
    services = sorted({seen.service for seen in store.revisions()})
    if len(services) != 1:
        raise UsageError(f"service is required: the store has {', '.join(services[:20]) or 'none'}")
    return services[0]
