"""What a release would be refused for, checked before its kernel starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pratique.balancer.settings_file import balancer_differences
from pratique.errors import UnavailableError
from pratique.runbook.common.preflight import require_new_or_same
from pratique.runbook.common.steps import CHECK
from pratique.runbook.release.context import ReleaseContext
from pratique.runbook.release.parameters import ReleaseParameters, check_release_parameters
from pratique.store import is_scraped, open_store
from pratique.telemetry.collector_settings import wanted_settings
from pratique.telemetry.collector_status import CollectorStatus, require_collector, setting_differences


def check_release(parameters: Mapping[str, Any]) -> None:
    """Check parameters, service file, lock, release, pool, collector and store; nothing is written.

    Raises: UsageError, ConfigError, MissingError, DataError, BusyError, UnavailableError.
    """
    given = {name: value for name, value in parameters.items() if name in ReleaseParameters.names()}
    context = ReleaseContext(check_release_parameters(**given))
    context.choose_approver()
    require_new_or_same(context)
    if context.journal.state(CHECK) != "done":
        context.make_plan()
        require_measured(context)
    open_store(context.config.store)


def require_measured(context: ReleaseContext) -> CollectorStatus | None:
    """Check that requests are measured; return the collector's status, None with a store that another server fills.

    Raises: UnavailableError; the errors of the store.
    """
    store = open_store(context.config.store)
    if is_scraped(store):
        if store.newest() is None:
            raise UnavailableError(
                f"nothing would be measured: store {context.config.store.url!r} has no sample of the services in the last "
                "minutes: check what fills it, and the table of the service file that describes it"
            )
        return None
    status = require_collector(context.target.state_dir)
    require_same_settings(context)
    return status


def require_same_settings(context: ReleaseContext) -> None:
    """Check that balancer and collector run with the settings of the service file, as far as they decide what is measured.

    Raises: UnavailableError.
    """
    target = context.target
    unheard = [line for line in balancer_differences(target) if "telemetry.listen" in line]
    if unheard:
        raise UnavailableError(f"nothing would be measured: {unheard[0]}")
    other = setting_differences(target.state_dir, wanted_settings(target), counting_only=True)
    if other:
        # windows or names would change in the middle of the canary when the collector is started again
        raise UnavailableError(f"{other[0]}: apply it with: pratique up {target.service} {_running(context)}")


def _running(context: ReleaseContext) -> str:
    pool = context.balancer.pool(context.service)
    serving = [revision for revision, share in pool.weights.items() if share > 0] if pool else []
    return serving[0] if serving else "REVISION"
