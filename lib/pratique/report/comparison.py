"""What a report is about: two revisions of a service, read from the store and judged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from pratique.errors import MissingError, UsageError

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.figures.measures import Measures
    from pratique.judge.model import Verdict
    from pratique.store.base import Store

RECENT = timedelta(minutes=10)
Weights = list[tuple[datetime, dict[str, float]]]


@dataclass(frozen=True)
class Question:
    """What is asked: which revisions, of when. start, end: UTC, [start, end); None: the judge's choice.

    weight: the canary's weight in percent, which was constant; None: the ledger's.
    """

    service: str
    baseline: str
    canary: str
    start: datetime | None = None
    end: datetime | None = None
    weight: float | None = None

    @property
    def stem(self) -> str:
        """The name of the report's files, safe for any file system."""
        ends = [f"{time:%Y%m%dT%H%M%SZ}" for time in (self.start, self.end) if time is not None]
        return "-".join([*map(_slug, (self.service, self.baseline, self.canary)), *ends])


@dataclass(frozen=True)
class Comparison:
    """A question, its answer, and what the figures need."""

    question: Question
    config: Config
    verdict: Verdict
    measures: Measures
    weights: Weights
    rows: int


def judge_stored(
    config: Config,
    service: str,
    baseline: str,
    canary: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    weight: float | None = None,
) -> Verdict:
    """Judge what the store has of two revisions, with the service's policy and the ledger's weights.

    start, end: UTC, [start, end). weight: the canary's in percent, instead of the ledger's.
    Raises: UsageError, MissingError for a service, revision or range without requests; the store's errors.
    """
    question = _checked(Question(service, baseline, canary, start, end, weight))
    config.service(service)
    return _judge(config, question, _open(config), _weights(config, question))


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
) -> Comparison:
    """Read and judge what a notebook asks for; its parameters are texts and numbers, empty or 0 for none.

    start, end: ISO 8601, UTC where no zone is given. weight: the canary's in percent.
    Raises: as judge_stored; ConfigError.
    """
    from pratique.config import load  # noqa: PLC0415 - pydantic is not needed to read parameters
    from pratique.figures.measures import measure  # noqa: PLC0415 - plotly

    texts = {"service": service, "baseline": baseline, "canary": canary, "start": start, "end": end}
    for name, value in {**texts, "config": config, "store": store}.items():
        if not isinstance(value, str):
            raise UsageError(
                f"{name} is {value!r:.80}, a number, not text: under papermill write -r {name} and the text"
            )
    settings = load(config, store=store)
    opened = _open(settings)
    service, baseline, canary = _latest(opened, service, baseline, canary)
    question = _checked(Question(service, baseline, canary, _time("start", start), _time("end", end), weight or None))
    weights = _weights(settings, question)
    verdict = _judge(settings, question, opened, weights)
    rollups = opened.read(service, [baseline, canary], verdict.start, verdict.end)
    measures = measure(rollups, baseline, canary, verdict.start, verdict.end)
    return Comparison(question, settings, verdict, measures, weights, len(rollups))


def _latest(store: Store, service: str, baseline: str, canary: str) -> tuple[str, str, str]:
    """What was left empty filled in: the only service there is, and its revisions that appeared last.

    Raises: UsageError when that is not clear.
    """
    if not service:
        services = sorted({seen.service for seen in store.revisions()})
        if len(services) != 1:
            raise UsageError(f"service is needed: the store holds {', '.join(services[:20]) or 'none'}")
        service = services[0]
    if not (baseline and canary):
        known = [seen.revision for seen in sorted(store.revisions(service), key=lambda seen: seen.first)]
        # "none" is what a balancer writes of a request that came before it had a pool
        others = [revision for revision in known if revision not in (baseline, canary, "none")]
        if len(others) + bool(baseline) + bool(canary) < 2:
            raise UsageError(
                f"baseline and canary are needed: the store holds {', '.join(known) or 'nothing'} of {service}"
            )
        canary = canary or others.pop()
        baseline = baseline or others[-1]
    return service, baseline, canary


def _slug(text: str) -> str:
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:40].lstrip(".") or "_"
    return safe if safe == text else f"{safe}-{sha256(text.encode()).hexdigest()[:8]}"


def _time(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{name} {text!r:.80} is not a time: write it as 2026-11-20T14:00 (UTC), or with a zone"
        ) from None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _checked(question: Question) -> Question:
    for name in ("service", "baseline", "canary"):
        if not getattr(question, name):
            raise UsageError(f"{name} is needed: name the service, the revision that ran, and the one to judge")
    if question.weight is not None and not 0 < question.weight < 100:
        raise UsageError(f"weight {question.weight!r} is not a percentage above 0 and below 100")
    return question


def _open(config: Config) -> Store:
    from pratique.store import open_store  # noqa: PLC0415 - deltalake, duckdb

    opened = open_store(config.store)
    if not opened.exists():
        raise MissingError(
            f"store {config.store.url!r} does not exist: import a log first, or check --store: pratique import --help"
        )
    return opened


def _weights(config: Config, question: Question) -> Weights:
    from pratique.ledger import open_ledger  # noqa: PLC0415 - sqlite

    if question.weight is not None:
        share = question.weight / 100.0
        since = question.start or datetime.fromtimestamp(0, UTC)
        return [(since, {question.canary: share, question.baseline: 1.0 - share})]
    return open_ledger(config.state_dir).weights(question.service, question.start, question.end)


def _judge(config: Config, question: Question, store: Store, weights: Weights) -> Verdict:
    from pratique.judge import compare  # noqa: PLC0415 - numpy

    return compare(
        store,
        question.service,
        question.baseline,
        question.canary,
        policy=config.service(question.service).judge,
        start=question.start,
        end=question.end,
        weights=weights,
        notes=_notes(config, question),
    )


def _notes(config: Config, question: Question) -> list[str]:
    """What the collector has to say; its counts are of now, and say nothing of a range that ended long ago."""
    from pratique.telemetry.status import collector_status  # noqa: PLC0415 - only here

    status = collector_status(config.state_dir)
    if status is None or (question.end is not None and question.end < status.updated_at - RECENT):
        return []
    return status.notes()
