"""From evidence and answers to states, levels with their range, and next steps. There are no weights and no single score.

Removing evidence never raises a level. So evidence of one item is joined by "one is enough" or "all are needed", where unknown stands
between not met and met. Recorded cases that a collector counts have the last word, even when there are none today: against them, neither
what a file declares nor a team's yes counts. Where collectors only look for something, one find is enough, and else the yes counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from pratique.maturity.answers import Answer
from pratique.maturity.collectors import COLLECTORS
from pratique.maturity.evidence import NOT_APPLICABLE, Evidence, Strength
from pratique.maturity.model import Category, Item, MaturityModel

ItemState = Literal["met", "not met", "unknown", "not applicable", "not wanted"]
ORDER = ("not met", "unknown", "met")
SETTLED: tuple[ItemState, ...] = ("met", "not applicable", "not wanted")
"""The states with which an item does not hold a level back."""
MOST_STEPS = 3


@dataclass(frozen=True)
class ItemResult:
    """One practice with everything that is known about it.

    state: what counts. strength: of what decided; None when nothing did. reason: one sentence. evidence: of all collectors, those that
    decide first. answer: the team's, "" when there is none; expired: whether it is no longer valid.
    """

    item: Item
    state: ItemState
    reason: str
    strength: Strength | None = None
    evidence: tuple[Evidence, ...] = ()
    answer: Answer | None = None
    expired: bool = False

    @property
    def where(self) -> tuple[str, ...]:
        """The links of what decided, and then of the rest."""
        own = [link for one in self.evidence for link in one.where if not one.supports]
        said = [self.answer.link] if self.answer and self.answer.link else []
        return tuple(dict.fromkeys([*said, *own]))[:6]

    @property
    def is_answerable(self) -> bool:
        """Whether a sentence of the team would settle it now."""
        return self.state == "unknown" and settles(self.item)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        said = (
            self.answer.model_dump(mode="json") | {"until": self.answer.last_day.isoformat(), "expired": self.expired}
            if self.answer
            else None
        )
        return {
            "id": self.item.id, "level": self.item.level, "practice": self.item.practice, "state": self.state, "strength": self.strength,
            "reason": self.reason, "where": list(self.where), "evidence": [one.to_json() for one in self.evidence], "answer": said,
            "next": self.item.next, "ask": self.item.ask, "source": self.item.source,
        }  # fmt: skip


@dataclass(frozen=True)
class CategoryResult:
    """One category. level: the highest that is reached, -1 for none; highest: the one that would be if all that is unknown were met.

    unknown: how many unknown items stand between the two. not_wanted: items that the team leaves out, up to the level reached.
    """

    category: Category
    level: int
    highest: int
    unknown: int
    not_wanted: int
    items: tuple[ItemResult, ...]

    def at(self, level: int) -> list[ItemResult]:
        """Return the items of one level."""
        return [result for result in self.items if result.item.level == level]

    def counts(self, level: int) -> tuple[int, int]:
        """Return how many items of a level are met or do not apply, and how many there are that the team wants."""
        wanted = [result for result in self.at(level) if result.state != "not wanted"]
        return sum(result.state in SETTLED for result in wanted), len(wanted)

    def text(self, levels: Sequence[str]) -> str:
        """Return the level with its range in words."""
        mark = f" ✻{self.not_wanted}" if self.not_wanted else ""
        reached = f"{levels[self.level]}{mark}" if self.level >= 0 else f"below {levels[0]}{mark}"
        if self.highest == self.level:
            return reached
        verb = "is" if self.unknown == 1 else "are"
        return f"{reached}, up to {levels[self.highest]} if {self.unknown} unknown {verb} met"

    def to_json(self, levels: Sequence[str]) -> dict[str, Any]:
        """Return plain JSON values."""
        named = [None if level < 0 else levels[level] for level in (self.level, self.highest)]
        return {
            "id": self.category.id, "name": self.category.name, "level": self.level, "level_name": named[0], "highest": self.highest,
            "highest_name": named[1], "unknown": self.unknown, "not_wanted": self.not_wanted, "text": self.text(levels),
            "counts": {name: list(self.counts(at)) for at, name in enumerate(levels)},
        }  # fmt: skip


def settles(item: Item) -> bool:
    """Return whether the team's yes can meet an item: no collector of it has counted cases, which have the last word."""
    return all(COLLECTORS[rule.collector].presence for rule in item.deciding)


def judge_item(item: Item, evidence: Sequence[Evidence], answer: Answer | None, today: date) -> ItemResult:
    """Return the state of one item from its evidence and the team's answer."""
    ordered = tuple(sorted(evidence, key=lambda one: one.supports))
    deciding = [one for one in ordered if not one.supports]
    joined = _joined(item, deciding)
    holds = answer is not None and answer.holds(today)
    expired = answer is not None and not holds
    said = _said(answer, expired=expired)
    state, strength, reason = joined
    if answer is None or not holds:
        return ItemResult(item, state, _sentence(reason, said, ordered), strength, ordered, answer, expired)
    # what asks for an answer says nothing beside one
    reason = reason.replace(f"; {NOT_APPLICABLE}", "") if deciding else ""
    if answer.answer == "not wanted" or (answer.answer == "not applicable" and state != "met"):
        left_out: ItemState = "not wanted" if answer.answer == "not wanted" else "not applicable"
        return ItemResult(item, left_out, _sentence(said, reason, ordered), "said", ordered, answer)
    if answer.answer == "yes" and item.needs_link and not answer.link.strip() and state != "met":
        lacking = f"{said}, without the link that shows it: give it with --link"
        return ItemResult(item, state, _sentence(lacking, reason, ordered), strength, ordered, answer)
    if answer.answer == "yes" and state != "met" and settles(item):
        return ItemResult(item, "met", _sentence(said, reason, ordered), "said", ordered, answer)
    if answer.answer in ("no", "partly") and state == "unknown":
        return ItemResult(item, "not met", _sentence(said, reason, ordered), "said", ordered, answer)
    return ItemResult(item, state, _sentence(reason, said, ordered), strength, ordered, answer)


def _joined(item: Item, deciding: Sequence[Evidence]) -> tuple[ItemState, Strength | None, str]:
    """The state of the evidence alone, the strength of what decided, and its sentence."""
    if not deciding:
        return "unknown", None, f"no answer yet: {item.question}"
    counted = [one for one in deciding if _is_counted(one)] if item.join == "any" else []
    ranked = sorted(counted or deciding, key=lambda one: ORDER.index(one.state), reverse=item.join == "any")
    first = ranked[0]
    others = [one for one in deciding if one is not first]
    told = [
        f"only declared: {one.reason}" if counted and one not in counted and one.state == "met" else one.reason
        for one in others
        if one.state != first.state or first.state == "unknown" or item.join == "all"
    ]
    reason = "; ".join(dict.fromkeys([first.reason, *told]))
    return first.state, first.strength if first.state != "unknown" else None, reason


def _is_counted(evidence: Evidence) -> bool:
    """Whether evidence is of cases that happened: it decides against what a file declares, and what a file declares does not replace it."""
    known = COLLECTORS.get(evidence.collector)
    return evidence.strength == "recorded" and not (known is not None and known.presence)


def _said(answer: Answer | None, *, expired: bool) -> str:
    if answer is None:
        return ""
    if expired:
        return f"{answer.answer} until {answer.last_day} ({answer.who}), which no longer holds"
    return answer.sentence


def _sentence(first: str, second: str, evidence: Sequence[Evidence]) -> str:
    """What decided, then the weaker, then what only supports."""
    support = [one.reason for one in evidence if one.supports and one.state != "unknown"]
    return "; ".join(part for part in (first, second, *support) if part)[:600]


def superseded(results: Sequence[ItemResult]) -> list[ItemResult]:
    """Return the results, where an item is met as soon as one that replaces it is."""
    met = {result.item.id for result in results if result.state == "met"}
    while True:
        added = {
            result.item.id
            for result in results
            if result.item.id not in met and result.state not in SETTLED and set(result.item.superseded_by) & met
        }
        if not added:
            break
        met |= added
    by_id = {result.item.id: result for result in results}
    return [
        _replaced(result, _best(result.item, met, by_id), by_id)
        if result.item.id in met and result.state != "met"
        else result
        for result in results
    ]


def _best(item: Item, met: AbstractSet[str], by_id: Mapping[str, ItemResult]) -> str:
    """The item that makes this one met by its own evidence or answer, whatever lies between."""
    name = item.id
    while by_id[name].state != "met":
        better = [other for other in by_id[name].item.superseded_by if other in met]
        name = next((other for other in better if by_id[other].state == "met"), better[0])
    return name


def _replaced(result: ItemResult, better: str, by_id: Mapping[str, ItemResult]) -> ItemResult:
    return replace(
        result,
        state="met",
        strength=by_id[better].strength,
        reason=f"met, because {better} is: {by_id[better].reason}"[:600],
    )


def categories_of(model: MaturityModel, results: Sequence[ItemResult]) -> tuple[CategoryResult, ...]:
    """Return the level of each category."""
    return tuple(
        _category(category, [one for one in results if one.item.category == category.id], len(model.levels))
        for category in model.categories
    )


def _category(category: Category, items: Sequence[ItemResult], levels: int) -> CategoryResult:
    reached = _reached(items, levels, ())
    highest = _reached(items, levels, ("unknown",))
    between = [one for one in items if one.state == "unknown" and reached < one.item.level <= highest]
    left_out = [one for one in items if one.state == "not wanted"]
    return CategoryResult(category, reached, highest, len(between), len(left_out), tuple(items))


def _reached(items: Sequence[ItemResult], levels: int, granted: Sequence[ItemState]) -> int:
    """The highest level whose items, and those of all lower levels, are settled; a category without items reaches none."""
    for level in range(levels):
        if any(one.item.level == level and one.state not in (*SETTLED, *granted) for one in items):
            return level - 1
    return levels - 1 if items else -1


def next_steps(categories: Sequence[CategoryResult]) -> tuple[ItemResult, ...]:
    """Return at most three items to do next: the lowest level that the lowest category lacks, the nearest to its threshold first."""
    open_ones = [category for category in categories if any(one.state == "not met" for one in category.items)]
    chosen: list[ItemResult] = []
    for category in sorted(open_ones, key=lambda one: (one.level, _lowest(one))):
        lowest = _lowest(category)
        lacking = [one for one in category.at(lowest) if one.state == "not met"]
        chosen += sorted(lacking, key=lambda one: (-_nearness(one), one.item.effort))
    return tuple(chosen[:MOST_STEPS])


def _lowest(category: CategoryResult) -> int:
    return min(one.item.level for one in category.items if one.state == "not met")


def _nearness(result: ItemResult) -> float:
    """How near the evidence is to its threshold, from 0 to 1."""
    found = [
        _near(one)
        for one in result.evidence
        if not one.supports and one.value is not None and one.threshold is not None
    ]
    return max(found, default=0.0)


def _near(evidence: Evidence) -> float:
    value, threshold = evidence.value or 0.0, evidence.threshold or 0.0
    if value < 0 or threshold < 0 or not max(value, threshold):
        return 0.0
    return min(value, threshold) / max(value, threshold)


def to_answer(categories: Sequence[CategoryResult]) -> tuple[ItemResult, ...]:
    """Return the unknown items that a sentence of the team would settle, those that hold back a level first."""
    found = [
        ((one.item.level - category.level, bool(one.item.deciding)), one)
        for category in categories
        for one in category.items
        if one.is_answerable
    ]
    return tuple(one for _, one in sorted(found, key=lambda pair: pair[0]))
