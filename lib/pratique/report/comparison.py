"""The comparison behind a report: two revisions of a service, read from the store and judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pratique.errors import UsageError
from pratique.report.fail_on import check_fail_on, raise_on
from pratique.report.given import existing_store, given_time, refuse_numbers
from pratique.report.question import Question, complete_question

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.figures.series import RequestSeries
    from pratique.judge.compare import Judged
    from pratique.judge.model import Verdict, WeightChanges
    from pratique.ledger import LedgerHead
    from pratique.store.base import Store

RECENT = timedelta(minutes=10)
"""Problems of the collector are noted when the range ends at most this long before its last status."""


@dataclass(frozen=True)
class Comparison:
    """Two revisions compared: the question, the verdict, and the data for the figures.

    question: the revisions and the time range. config: the settings that it was made with. verdict: the judge's answer.
    series: requests in bins of time. weights: changes of the configured weights, (time UTC, revision → share from 0
    to 1), oldest first. rows: rollups read from the store. fail_on: a level of `FAIL_ON`; "" is none.
    """

    question: Question
    config: Config
    verdict: Verdict
    series: RequestSeries
    weights: WeightChanges
    rows: int
    fail_on: str = ""

    def raise_on_verdict(self) -> None:
        """Raise the error that `fail_on` asks for; call it after the report is saved.

        Raises: FailOnRollbackError, FailOnInconclusiveError.
        """
        raise_on(self.verdict, self.fail_on)


def judge_stored(
    config: Config,
    service: str,
    baseline: str | None,
    canary: str | None,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    weight: float | None = None,
) -> Verdict:
    """Judge two revisions from the store, with the policy of the service and the weights of the ledger.

    Without a revision, that of the ledger's last release is taken, or else the one that appeared last.
    start, end: UTC, [start, end). weight: the canary's constant weight in percent, instead of the ledger's weights.
    Raises: UsageError; MissingError when the store, service, revision or time range has no requests; the errors of
        the store.
    """
    question = completed(Question(service, baseline or "", canary or "", start, end, weight), config)
    config.service(service)
    head, weights = _ledger(config, question)
    return replace(_judge(config, question, existing_store(config, question.start), weights).verdict, ledger=head)


def open_comparison(
    service: str,
    baseline: str,
    canary: str,
    *,
    start: str = "",
    end: str = "",
    weight: float = 0.0,
    config: str = "",
    store: str = "",
    fail_on: str = "",
) -> Comparison:
    """Compare a canary with its baseline from the store, with the policy and store that the service file names.

    The arguments are the parameters of a notebook: "" and 0 mean "not given". Without a service, the only one of the
    store is taken; without revisions, those of the ledger's last release, or else the newest of the store.
    start, end: ISO 8601, UTC unless they have a zone; [start, end). weight: the canary's constant weight in percent;
    0 takes the weights of the ledger. config: path of the service file. store: folder or URL, instead of that file's.
    fail_on: "rollback", "inconclusive" or "finding"; `Comparison.raise_on_verdict` then raises for a verdict of that level.
    Raises: UsageError for a wrong argument; MissingError when the store, service, revision or time range has no
        requests; ConfigError; the errors of the store.
    """
    from pratique.figures.series import request_series  # noqa: PLC0415 - plotly

    level = check_fail_on(fail_on)
    settings, opened, question = _asked(
        service, baseline, canary, start=start, end=end, weight=weight, config=config, store=store
    )
    head, weights = _ledger(settings, question)
    judged = _judge(settings, question, opened, weights)
    verdict = replace(judged.verdict, ledger=head)
    series = request_series(judged.rollups, question.baseline, question.canary, verdict.start, verdict.end)
    return Comparison(question, settings, verdict, series, weights, len(judged.rollups), level)


def check_comparison(parameters: Mapping[str, Any]) -> None:
    """Refuse what `open_comparison` would refuse, by the list of revisions alone: before a kernel starts.

    parameters: of the notebook; only those of `open_comparison` are looked at.
    Raises: the errors of `open_comparison`.
    """
    from pratique.judge.compared_revisions import compared_revisions  # noqa: PLC0415 - only here

    check_fail_on(parameters.get("fail_on", ""))
    names = ("service", "baseline", "canary", "start", "end", "weight", "config", "store")
    _, opened, question = _asked(**{name: parameters[name] for name in names})
    compared_revisions(opened, question.service, question.baseline, question.canary, question.start, question.end)


def _asked(
    service: str, baseline: str, canary: str, *, start: str, end: str, weight: float, config: str, store: str
) -> tuple[Config, Store, Question]:
    """The settings, the store and the complete question that a notebook's parameters name."""
    from pratique.config import load  # noqa: PLC0415 - pydantic

    refuse_numbers(service=service, baseline=baseline, canary=canary, start=start, end=end, config=config, store=store)
    settings = load(config, store=store)
    first = given_time("start", start)
    opened = existing_store(settings, first)
    asked = Question(service, baseline, canary, first, given_time("end", end), weight or None)
    return settings, opened, _checked(complete_question(asked, opened, settings))


def completed(question: Question, config: Config) -> Question:
    """Return a question with the revisions that it leaves empty. Raises: the errors of `open_comparison`."""
    if question.baseline and question.canary:
        return _checked(question)
    return _checked(complete_question(question, existing_store(config, question.start), config))


def _checked(question: Question) -> Question:
    for name in ("service", "baseline", "canary"):
        if not getattr(question, name):
            raise UsageError(f"{name} is required: give the service, the baseline revision and the canary revision")
    if question.weight is not None and not 0 < question.weight < 100:
        raise UsageError(f"weight {question.weight!r} is not a percentage above 0 and below 100")
    return question


def _ledger(config: Config, question: Question) -> tuple[LedgerHead | None, WeightChanges]:
    """The last entry of the ledger, and the shares that were in force."""
    from pratique.ledger import open_ledger  # noqa: PLC0415 - sqlite

    ledger = open_ledger(config.state_dir)
    head = ledger.head()
    if question.weight is None:
        return head, ledger.weights(question.service, question.start, question.end)
    share = question.weight / 100.0
    since = question.start or datetime.fromtimestamp(0, UTC)
    return head, [(since, {question.canary: share, question.baseline: 1.0 - share})]


def _judge(config: Config, question: Question, store: Store, weights: WeightChanges) -> Judged:
    from pratique.judge.compared_revisions import compared_revisions  # noqa: PLC0415 - only here

    known = compared_revisions(
        store, question.service, question.baseline, question.canary, question.start, question.end
    )
    from pratique.judge.compare import read_and_judge  # noqa: PLC0415 - numpy, once nothing is refused
    from pratique.telemetry.lost_lines import lost_lines  # noqa: PLC0415 - only here

    return read_and_judge(
        store,
        question.service,
        question.baseline,
        question.canary,
        policy=config.service(question.service).judge,
        start=question.start,
        end=question.end,
        weights=weights,
        notes=_notes(config, question, store),
        lost=lost_lines(config.state_dir, question.service, question.start, question.end, store=config.store.url),
        known=known,
    )


def _notes(config: Config, question: Question, store: Store) -> list[str]:
    """Return the collector's changes of settings in the range, and its problems, unless the range ended long ago.

    Its counters and its settings describe the present.
    """
    from pratique.telemetry.collector_settings import wanted_settings  # noqa: PLC0415 - only here
    from pratique.telemetry.collector_status import collector_status, setting_differences  # noqa: PLC0415 - only here

    status = None if config.store.is_read_only else collector_status(config.state_dir)
    if status is None:
        return []
    seen = [seen.first for seen in store.revisions(question.service) if seen.revision == question.canary]
    since = question.start or min(seen, default=status.updated_at)
    changes = status.changes_in(question.service, since, question.end)
    if question.end is not None and question.end < status.updated_at - RECENT:
        return changes
    wanted = wanted_settings(config.target(question.service))
    return [*changes, *status.notes(), *setting_differences(config.state_dir, wanted)]
