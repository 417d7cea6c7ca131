"""The kept container logs of an incident, for its page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pratique.figures.panels import Panel
    from pratique.report.opened_incident import OpenedIncident


def incident_logs(investigation: OpenedIncident) -> Panel:
    """Show which log messages of the containers in the first place became more at the start, and the lines next to it; secrets are masked.

    investigation: from `open_incident`. Raises: UsageError when a name is invalid; OSError.
    """
    from pratique.figures.incident_logs import container_messages  # noqa: PLC0415 - plotly
    from pratique.incident.container_lines import container_lines  # noqa: PLC0415 - with it
    from pratique.release.secrets import known_secrets  # noqa: PLC0415 - with it

    incident, config = investigation.incident, investigation.config
    if incident.onset is None:
        return container_messages(None)
    place = incident.places.found[0] if incident.places and incident.places.found else None
    env = config.service(incident.service).runtime.env
    found = container_lines(
        config.state_dir,
        incident.service,
        incident.onset.best,
        end=incident.end,
        revision=place.revision if place else None,
        host=place.host if place else None,
        secrets=known_secrets(env, Path(config.base)),
    )
    return container_messages(found)
