"""Shell completion of names: services from the service file, revisions from the releases folder and the ledger, runbooks."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from pratique.config import Config

ANY = Exception
"""A completion that fails offers nothing: a traceback would destroy the line that the user is typing."""


def complete_services(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:  # noqa: ARG001 - click's signature
    """Offer the services of the service file."""
    with suppress(ANY):
        return _items(_config(ctx).services, incomplete)
    return []


def complete_revisions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:  # noqa: ARG001 - click's signature
    """Offer the revisions of the service given earlier on the line."""
    with suppress(ANY):
        # click leaves the arguments unparsed where the last word is an option without its value
        service = ctx.params.get("service") or ctx.args[0]
        return _items(_revisions(_config(ctx), service), incomplete)
    return []


def complete_notebooks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:  # noqa: ARG001 - click's signature
    """Offer the runbooks and notebooks, and files where none begins with that."""
    with suppress(ANY):
        from pratique.notebook.find import known_notebooks  # noqa: PLC0415 - only on Tab

        return _items(known_notebooks(), incomplete) or [CompletionItem(incomplete, type="file")]
    return []


def complete_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:  # noqa: ARG001 - click's signature
    """Offer the runs that have not ended."""
    with suppress(ANY):
        from pratique.runbook.runs import list_runs  # noqa: PLC0415 - only on Tab

        return _items([run.id for run in list_runs(_config(ctx).state_dir) if run.state != "ended"], incomplete)
    return []


def complete_jobs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:  # noqa: ARG001 - click's signature
    """Offer the jobs of the service file."""
    with suppress(ANY):
        return _items(_config(ctx).jobs, incomplete)
    return []


def complete_practices(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:  # noqa: ARG001 - click's signature
    """Offer the practices of the maturity model."""
    with suppress(ANY):
        from pratique.maturity.load import load_model  # noqa: PLC0415 - only on Tab

        return _items([item.id for item in load_model(ctx.params.get("model") or "").items], incomplete)
    return []


def complete_checks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:  # noqa: ARG001 - click's signature
    """Offer the checks of hosts."""
    with suppress(ANY):
        from pratique.doctor.checks.table import CHECKS  # noqa: PLC0415 - only on Tab

        return _items([check.id for check in CHECKS], incomplete)
    return []


def _config(ctx: click.Context) -> Config:
    from pratique.config import load  # noqa: PLC0415 - pydantic

    return load(ctx.params.get("config"))


def _revisions(config: Config, service: str) -> set[str]:
    from pratique.ledger import open_ledger  # noqa: PLC0415 - only on Tab

    target = config.target(service)
    found = {release.revision for release in open_ledger(target.state_dir).releases(service)}
    folder = target.path(target.settings.runtime.releases)
    if target.settings.runtime.kind == "process" and folder.is_dir():
        found |= {path.name for path in folder.iterdir() if path.is_dir()}
    return found


def _items(names: Iterable[str], incomplete: str) -> list[CompletionItem[str]]:
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]
