"""Analyse an incident from the store: the question, its check, and the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pratique.report.given import existing_store, given_time, only_service, refuse_numbers
from pratique.report.incident_question import ALPHA, OUTCOME, IncidentQuestion, checked

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.report.opened_incident import OpenedIncident
    from pratique.store.base import Store


def open_incident(
    service: str,
    outcome: str = OUTCOME,
    *,
    start: str = "",
    end: str = "",
    compare_with: str = "",
    changes: str = "",
    alpha: float = ALPHA,
    config: str = "",
    store: str = "",
) -> OpenedIncident:
    """Find out since when a service fails, where, and which change may have caused it.

    The arguments are the parameters of a notebook: "" means "not given". Without a service, the only one of the store is taken.
    outcome: of a guard: 5xx, 4xx, one code, or p95 for slower than before. start, end: ISO 8601, UTC unless they have a zone;
    [start, end); default: the last two hours of the data. compare_with: where the history begins; default: a day before the
    start. changes: a JSON-lines file of changes that the ledger does not know. alpha: chance of naming anything when
    nothing is wrong. config: path of the service file. store: folder or URL, instead of that file's.
    Raises: UsageError for a wrong argument; MissingError when the store, service or time range has no requests; ConfigError;
        the errors of the store.
    """
    settings, opened, question = _asked(
        service, outcome, start=start, end=end, compare_with=compare_with, changes=changes, alpha=alpha,
        config=config, store=store,
    )  # fmt: skip
    return _investigated(settings, opened, question)


def check_incident(parameters: Mapping[str, Any]) -> None:
    """Refuse what `open_incident` would refuse without reading requests: before a kernel starts.

    parameters: of the notebook; only those of `open_incident` are looked at.
    Raises: the errors of `open_incident`.
    """
    names = ("service", "outcome", "start", "end", "compare_with", "changes", "alpha", "config", "store")
    _asked(**{name: parameters[name] for name in names})


def investigate_stored(config: Config, question: IncidentQuestion) -> OpenedIncident:
    """Analyse an incident from the store, with the policy of the service and all changes that are known.

    question: without a service, the only one of the store is taken.
    Raises: the errors of `open_incident`.
    """
    store = existing_store(config, checked(question).start)
    return _investigated(config, store, _named(question, store))


def investigate_all(
    config: Config, question: IncidentQuestion, *, progress: Callable[[int, int], None] | None = None
) -> list[OpenedIncident]:
    """Analyse every service of the store; the chance of naming anything by mistake is shared among them.

    question: its service is not looked at, and each service gets an equal part of its alpha. progress: called with how many
    services are done, and of how many.
    Raises: the errors of `open_incident`.
    """
    store = existing_store(config, checked(question).start)
    services = sorted({seen.service for seen in store.revisions(None, question.start, question.end)})
    found = []
    for done, service in enumerate(services):
        if progress:
            progress(done, len(services))
        asked = replace(question, service=service, alpha=question.alpha / len(services))
        found.append(_investigated(config, store, asked))
    return found


def _named(question: IncidentQuestion, store: Store) -> IncidentQuestion:
    return question if question.service else replace(question, service=only_service(store))


def _asked(
    service: str, outcome: str, *, start: str, end: str, compare_with: str, changes: str, alpha: float, config: str, store: str
) -> tuple[Config, Store, IncidentQuestion]:  # fmt: skip
    """The settings, the store and the complete question that a notebook's parameters name."""
    from pratique.config import load  # noqa: PLC0415 - pydantic

    refuse_numbers(service=service, start=start, end=end, compare_with=compare_with, changes=changes, config=config,
                   store=store)  # fmt: skip
    # papermill makes a number of a code
    texts = str(outcome)
    question = IncidentQuestion(
        service, texts, given_time("start", start), given_time("end", end), given_time("compare_with", compare_with),
        changes, alpha,
    )  # fmt: skip
    settings = load(config, store=store)
    opened = existing_store(settings, checked(question).start)
    return settings, opened, _named(question, opened)


def _investigated(config: Config, store: Store, question: IncidentQuestion) -> OpenedIncident:
    # scipy and numpy, once nothing is refused
    from pratique.incident.changes import all_changes  # noqa: PLC0415
    from pratique.incident.investigate import investigate  # noqa: PLC0415
    from pratique.report.opened_incident import OpenedIncident  # noqa: PLC0415

    changes = all_changes(config, question.start, question.end, question.changes)
    found = investigate(
        store,
        question.service,
        question.outcome,
        policy=config.service(question.service).judge,
        start=question.start,
        end=question.end,
        before=question.before,
        changes=changes,
        alpha=question.alpha,
        late_s=config.telemetry.late_s,
    )
    return OpenedIncident(found.incident, found.measures, found.changes, question, config)
