"""Review a team: collect what repository, ledger, runs, store, registry and running services say, and keep the result in the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pratique.clock import utc_now
from pratique.errors import MissingError, PratiqueError, UsageError
from pratique.ledger import Entry, open_ledger

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.maturity.review import Review
    from pratique.store.base import Store


def review_team(
    config: Config, *, services: Sequence[str] = (), repository: str | Path = ".", model: str = "", since: datetime | None = None
) -> Review:  # fmt: skip
    """Review a team with all sources that can be read now. Nothing is written.

    config: the settings. services: to review; none: all. repository: a working tree or a bare repository. model: a file or the name of an
    installed model; "": that of the settings. since: where windows start, UTC; default: as the model says, mostly 90 days ago.
    Raises: MissingError (no such folder), UsageError (no such service), ConfigError (the model is invalid); DataError, DeniedError (the ledger).
    """
    from pratique.maturity.load import load_model  # noqa: PLC0415 - pydantic
    from pratique.maturity.review import make_review  # noqa: PLC0415
    from pratique.maturity.sources import Sources  # noqa: PLC0415

    folder = Path(repository)
    if not folder.is_dir():
        raise MissingError(f"folder {str(repository)!r} does not exist: check --repository")
    now = utc_now()
    if since is not None and since >= now:
        raise UsageError(f"since {since:%Y-%m-%d %H:%M} is in the future: give an earlier time")
    entries = open_ledger(config.state_dir).entries()
    known = {*config.services, *(entry.service for entry in entries)}
    for service in services:
        if service not in known:
            raise UsageError.unknown("service", service, sorted(known - {""}))
    return make_review(
        Sources(
            load_model(model or _model_of(config)), now, folder.absolute(), since, tuple(services), config, entries,
            open_store=lambda: _store(config), drift=lambda: _drift(config, services), digest_of=lambda service, revision: _digest(config, service, revision),
        )
    )  # fmt: skip


def record_review(config: Config, review: Review, *, who: str | None = None) -> Entry:
    """Write a review into the ledger, so that the next one can show what moved. Raises: as `Ledger.append`."""
    config.make_state_folder()
    return open_ledger(config.state_dir).append("review", "", who=who, data=review.entry(), time=review.made)


def _model_of(config: Config) -> str:
    name = config.maturity.model
    return str(config.path(name)) if name.endswith(".toml") else name


def _store(config: Config) -> Store:
    from pratique.store import open_store  # noqa: PLC0415 - deltalake

    return open_store(config.store)


def _drift(config: Config, services: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """What differs from what was set, for each service that runs and can be asked."""
    from pratique.status import describe  # noqa: PLC0415 - docker

    found = {}
    for name in services or config.services:
        try:
            state = describe(config.target(name))
        except PratiqueError:
            continue
        if state.weights is not None and state.error is None:
            found[name] = state.drift
    return found


def _digest(config: Config, service: str, revision: str) -> str:
    from pratique.release.find import current_digest  # noqa: PLC0415 - docker

    return current_digest(config.target(service), revision)
