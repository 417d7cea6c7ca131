"""Write the page of an incident: one HTML file that opens offline, and the answer as JSON beside it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pratique.notebook.execute import Progress
from pratique.report.incident import check_incident
from pratique.report.incident_question import IncidentQuestion
from pratique.report.written_page import ReportPaths, page_paths, place_for, reports_folder, run_for_page, save_page

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.figures.panels import Panel
    from pratique.report.opened_incident import OpenedIncident

NOTEBOOK = "incident"


def save_incident(investigation: OpenedIncident, out: str = "") -> ReportPaths:
    """Write the HTML page and the incident as JSON; call it inside incident.ipynb, whichever program runs that.

    investigation: from `open_incident`. out: a folder, or a file that ends in .html; default reports/ in the state folder.
    Raises: UsageError when called outside a notebook; DeniedError, StorageError.
    """
    incident = investigation.incident
    place = Path(out) if out else reports_folder(investigation.config)
    paths = page_paths(place.absolute(), investigation.question.stem, "incident")
    return save_page(NOTEBOOK, paths, f"{incident.service} {incident.outcome}: {incident.answer}", incident.to_json())


def write_incident(
    config: Config, question: IncidentQuestion, *, out_dir: Path | None = None, progress: Progress | None = None
) -> ReportPaths:
    """Write the page and the JSON of an incident by running incident.ipynb, which is kept beside them.

    config: the settings, from `load_config`. question: service, outcome and range. out_dir: a folder, or a file that ends in .html; default reports/ in the state folder.
    progress: called with each line that the notebook prints.
    Raises: the errors of `open_incident`, before a kernel starts; DeniedError, StorageError. The notebook is kept when it fails.
    """
    place = place_for(config, out_dir)
    parameters = incident_parameters(config, question, str(place))
    paths = page_paths(place, question.stem, "incident")
    check_incident(parameters)
    return run_for_page(NOTEBOOK, paths, parameters, progress=progress)


def incident_parameters(config: Config, question: IncidentQuestion, out: str = "") -> dict[str, Any]:
    """Return the parameters of incident.ipynb that ask the same question."""
    times = {"start": question.start, "end": question.end, "compare_with": question.before}
    return {
        "service": question.service,
        "outcome": question.outcome,
        **{name: time.isoformat() if time else "" for name, time in times.items()},
        "changes": question.changes,
        "alpha": question.alpha,
        "config": config.file,
        "store": config.store.url,
        "out": out,
    }


def incident_reproduction(investigation: OpenedIncident) -> Panel:
    """Show how to reproduce an analysis: commands with the exact range, versions, data, policy, and hashes.

    investigation: from `open_incident`. Raises: ConfigError when the service is not in the service file.
    """
    from pratique.figures.panels import reproduction_panel  # noqa: PLC0415 - plotly
    from pratique.report.reproduce import hash_of, shown_store, versions  # noqa: PLC0415 - with it

    incident = investigation.incident
    policy = investigation.config.service(incident.service).judge.model_dump(mode="json")
    requests = int(investigation.measures.service.n.sum())
    facts = {
        "data": f"{requests:,} requests from {shown_store(investigation.config)}, and the history before them",
        "range": f"{incident.start:%Y-%m-%dT%H:%M:%SZ} to {incident.end:%Y-%m-%dT%H:%M:%SZ}, compared with the time since "
        f"{incident.before:%Y-%m-%dT%H:%M:%SZ}",
        "service file": investigation.config.file or "none (defaults)",
        "method": f"{incident.method}; alpha {incident.alpha:g}",
        "versions": versions(),
        "sha256 of the policy": hash_of(policy),
        "sha256 of the results": hash_of(incident.to_json()),
    }
    return reproduction_panel(_commands(investigation), facts, json.dumps(policy, indent=1))


def _commands(investigation: OpenedIncident) -> list[str]:
    from pratique.report.reproduce import options, shown_store  # noqa: PLC0415 - with it

    incident, question = investigation.incident, investigation.question
    values = {
        "start": f"{incident.start:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{incident.end:%Y-%m-%dT%H:%M:%SZ}",
        "changes": question.changes,
        "config": investigation.config.file,
        "store": shown_store(investigation.config),
    }
    given = {name: value for name, value in values.items() if value}
    command = ["pratique", "incident", incident.service, "--outcome", incident.outcome, *options("--{}", given)]
    named = {"service": incident.service, "outcome": incident.outcome} | given
    papermill = ["papermill", f"notebooks/{NOTEBOOK}.ipynb", f"{NOTEBOOK}.ipynb", *options("-r {}", named)]
    return [shlex.join(command), shlex.join([*papermill, "-p", "alpha", f"{incident.alpha:g}"])]
