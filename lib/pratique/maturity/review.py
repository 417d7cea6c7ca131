"""One review: ask every collector, join the answers, and compare with the review before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pratique.clock import iso
from pratique.ledger.entry import Entry
from pratique.maturity.answer_authors import author_findings
from pratique.maturity.answers import FILE, AnswerFile, parse_answers
from pratique.maturity.collectors import collect
from pratique.maturity.model import MaturityModel
from pratique.maturity.scoring import (
    CategoryResult,
    ItemResult,
    categories_of,
    judge_item,
    next_steps,
    superseded,
    to_answer,
)
from pratique.maturity.sources import Sources

if TYPE_CHECKING:
    from pratique.config import Config

KIND = "review"
LARGEST_ANSWERS = 1 << 20


@dataclass(frozen=True)
class Change:
    """How one item moved since the review before. direction: "▲", "▼", "new" or "="; why: what moved it."""

    item: str
    direction: str
    before: str
    now: str
    why: str

    def to_json(self) -> dict[str, str]:
        """Return plain JSON values."""
        return dict(vars(self))


@dataclass(frozen=True)
class Review:
    """The result of a review. made: UTC. steps: at most three. questions: what to answer now. findings: problems of the answers.

    changes: since `before`, the time of the review before; None when there is none. config: the settings it was made with.
    """

    model: MaturityModel
    made: datetime
    services: tuple[str, ...]
    repository: str
    commit: str
    categories: tuple[CategoryResult, ...]
    steps: tuple[ItemResult, ...]
    questions: tuple[ItemResult, ...]
    findings: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    before: datetime | None = None
    drift: int | None = None
    config: Config | None = None

    @property
    def items(self) -> tuple[ItemResult, ...]:
        """All items in the order of the model."""
        return tuple(result for category in self.categories for result in category.items)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        levels = self.model.levels
        return {
            "model": {"name": self.model.name, "sha256": self.model.digest, "levels": list(levels)}, "made": iso(self.made),
            "repository": self.repository, "commit": self.commit, "services": list(self.services),
            "categories": [category.to_json(levels) for category in self.categories],
            "items": [result.to_json() for result in self.items], "next_steps": [result.item.id for result in self.steps],
            "to_answer": [{"item": result.item.id, "ask": result.item.question} for result in self.questions],
            "findings": list(self.findings), "before": iso(self.before) if self.before else None,
            "changes": [change.to_json() for change in self.changes],
        }  # fmt: skip

    def entry(self) -> dict[str, Any]:
        """Return the data of the ledger's entry of kind "review"."""
        return {
            "model": self.model.digest,
            "commit": self.commit,
            "items": {
                one.item.id: {
                    "state": one.state, "strength": one.strength, "value": _value(one), "threshold": _threshold(one), "where": list(one.where),
                    "expired": one.expired,
                }
                for one in self.items
            },
            "next_steps": [one.item.id for one in self.steps],
            **({} if self.drift is None else {"drift": self.drift}),
        }  # fmt: skip


def make_review(sources: Sources, answers: AnswerFile | None = None) -> Review:
    """Ask every collector and judge every item. answers: instead of those in the repository. Never raises for what it reads."""
    model = sources.model
    given = answers_of(sources) if answers is None else answers
    today = sources.now.date()
    judged = [
        judge_item(item, [collect(sources, rule) for rule in item.evidence], given.answers.get(item.id), today)
        for item in model.items
    ]
    results = superseded(judged)
    categories = categories_of(model, results)
    known = {item.id for item in model.items}
    strangers = [
        f"{FILE}: {name} is not an item of {model.name}: the answer does not count"
        for name in given.answers
        if name not in known
    ]
    before = _before(sources)
    drift = sources.differences
    repository = sources.repository
    return Review(
        model, sources.now, sources.services, str(sources.folder or ""), repository.head if repository else "", categories, next_steps(categories),
        to_answer(categories), (*given.findings, *strangers, *author_findings(repository, given, today)),
        _changes(before, results, model) if before else (), before.time if before else None, None if drift is None else len(drift),
        sources.config,
    )  # fmt: skip


def answers_of(sources: Sources) -> AnswerFile:
    """Return the answers in the working tree; of a bare repository, those of its last commit."""
    if sources.folder is None or "answers" in sources.without:
        return AnswerFile({})
    repository = sources.repository
    content: bytes | None
    if repository is not None and repository.is_bare:
        content = repository.read(FILE)
    else:
        path = (repository.root if repository is not None else sources.folder) / FILE
        try:
            if path.is_symlink() or path.parent.is_symlink() or (path.exists() and not path.is_file()):
                return AnswerFile({}, (f"{FILE} is a link, or not a file: no answer counts",))
            with path.open("rb") as file:
                content = file.read(LARGEST_ANSWERS + 1)
        except FileNotFoundError:
            return AnswerFile({})
        except OSError as error:
            return AnswerFile({}, (f"{FILE} cannot be read, and no answer counts: {error.strerror}",))
    return parse_answers(content or b"", sources.now.date())


def _before(sources: Sources) -> Entry | None:
    """The last review that can be compared."""
    ids = {item.id for item in sources.model.items}
    found = [entry for entry in sources.entries_of(KIND) if entry.time < sources.now and ids & set(_items_of(entry))]
    return found[-1] if found else None


def _items_of(entry: Entry) -> Mapping[str, Any]:
    items = entry.data.get("items")
    return items if isinstance(items, Mapping) else {}


_RANK = {"not met": 0, "unknown": 1, "not wanted": 2, "not applicable": 2, "met": 3}


def _changes(before: Entry, results: list[ItemResult], model: MaturityModel) -> tuple[Change, ...]:
    found = []
    for one in results:
        earlier = before.data["items"].get(one.item.id)
        if not isinstance(earlier, Mapping):
            found.append(Change(one.item.id, "new", "", one.state, "new in the model"))
            continue
        state = str(earlier.get("state"))
        if state == one.state:
            continue
        rise = _RANK.get(one.state, 0) - _RANK.get(state, 0)
        direction = "▲" if rise > 0 else "▼" if rise < 0 else "="
        found.append(
            Change(
                one.item.id,
                direction,
                state,
                one.state,
                _why(one, earlier, other_model=before.data.get("model") != model.digest),
            )
        )
    return tuple(found)


def _why(now: ItemResult, earlier: Mapping[str, Any], *, other_model: bool) -> str:
    """What moved an item: an answer that expired or is gone, another threshold, the model, an answer, or the evidence."""
    if now.expired and not earlier.get("expired"):
        return f"an answer expired: {now.reason}"
    if earlier.get("strength") == "said" and now.answer is None:
        return f"the answer was removed: {now.reason}"
    before, threshold = _number(earlier.get("threshold")), _threshold(now)
    if before is not None and threshold is not None and before != threshold:
        return f"another threshold: {before:g} before, {threshold:g} now: {now.reason}"
    if other_model and _number(earlier.get("value")) == _value(now) and now.strength != "said":
        return f"another model: {now.reason}"
    if now.strength == "said":
        return f"an answer: {now.reason}"
    return f"evidence: {now.reason}"


def _number(value: object) -> float | None:
    """A number of an earlier entry, which another version may have written otherwise."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _value(one: ItemResult) -> float | None:
    return next(
        (evidence.value for evidence in one.evidence if not evidence.supports and evidence.value is not None), None
    )


def _threshold(one: ItemResult) -> float | None:
    return next(
        (evidence.threshold for evidence in one.evidence if not evidence.supports and evidence.threshold is not None),
        None,
    )
