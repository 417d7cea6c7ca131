"""The maturity model as data: categories, levels, practices, and which evidence meets each practice."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pratique.config.types import Strict
from pratique.errors import MissingError
from pratique.number_text import percent


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r:.80} is not a regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, Field(max_length=2000), AfterValidator(_compiles)]
Text = Annotated[str, Field(min_length=1, max_length=500)]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
ItemId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}\.[a-z][a-z0-9-]{0,60}$")]


class Rule(Strict):
    """When evidence of one collector meets a practice.

    at_least, at_most: the threshold, one of the two. of: fewest cases. days: the window, or the greatest age of a file.
    last: how many of the latest releases are looked at; 0 for all of the window. supports: whether it decides nothing.
    may_not_apply: whether nothing found is unknown, because the practice may not apply.
    files, steps, triggers, suites: what the collector looks for.
    """

    collector: Annotated[str, Field(pattern=r"^[a-z]+\.[a-z_]+$")]
    at_least: float | None = None
    at_most: float | None = None
    of: Annotated[int, Field(ge=1, le=1000)] = 5
    days: Annotated[int, Field(ge=1, le=3650)] = 90
    last: Annotated[int, Field(ge=0, le=1000)] = 0
    supports: bool = False
    may_not_apply: bool = False
    files: tuple[Text, ...] = ()
    steps: str = ""
    triggers: tuple[str, ...] = ()
    suites: Pattern = ""

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        if self.at_least is not None and self.at_most is not None:
            raise ValueError("at_least and at_most exclude each other: keep one")
        return self

    @property
    def threshold(self) -> float:
        """The number that the value is compared with; 1 where the model gives none."""
        given = self.at_least if self.at_most is None else self.at_most
        return 1.0 if given is None else given

    def is_met_by(self, value: float) -> bool:
        """Whether a value meets the threshold."""
        return value >= self.threshold if self.at_most is None else value <= self.threshold

    @property
    def condition(self) -> str:
        """The threshold in words."""
        number = self.threshold
        shown = percent(number) if self.is_share else f"{number:g}"
        return f"{'at least' if self.at_most is None else 'at most'} {shown}"

    @property
    def is_share(self) -> bool:
        """Whether the threshold is written as a share."""
        return isinstance(self.threshold, float) and 0 < self.threshold < 1


class Item(Strict):
    """One practice. level: from 0. source: its place in the source. ask: the question to the team. next: the next step.

    needs_link: whether a yes counts only with a link. effort: 1 small to 3 large. superseded_by: items that make this one met as well.
    """

    id: ItemId
    level: Annotated[int, Field(ge=0, le=9)]
    source: Text
    practice: Text
    next: Text
    ask: Annotated[str, Field(max_length=500)] = ""
    needs_link: bool = False
    effort: Annotated[int, Field(ge=1, le=3)] = 2
    superseded_by: tuple[ItemId, ...] = ()
    join: Literal["any", "all"] = "any"
    evidence: tuple[Rule, ...] = ()

    @property
    def category(self) -> str:
        """The id of its category."""
        return self.id.partition(".")[0]

    @cached_property
    def deciding(self) -> tuple[Rule, ...]:
        """The rules that decide; none: only the team can tell."""
        return tuple(rule for rule in self.evidence if not rule.supports)

    @property
    def question(self) -> str:
        """The question to the team."""
        return self.ask or f"Is this true: {self.practice}?"


class Category(Strict):
    """One category of practices."""

    id: Identifier
    name: Text


class MaturityModel(Strict):
    """A whole model. steps: kind of a pipeline's step → patterns of its commands. levels: names, the lowest first."""

    name: Text
    levels: Annotated[tuple[Text, ...], Field(min_length=1, max_length=10)]
    categories: Annotated[tuple[Category, ...], Field(min_length=1, max_length=20)]
    items: Annotated[tuple[Item, ...], Field(min_length=1, max_length=1000)]
    steps: dict[Identifier, tuple[Pattern, ...]] = Field(default_factory=dict)
    pipeline_users: Pattern = r"(^|[._-])(ci|bot|runner|pipeline)([._-]|$)"
    digest: Annotated[str, Field(exclude=True)] = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids, categories = [item.id for item in self.items], {category.id for category in self.categories}
        twice = next((name for at, name in enumerate(ids) if name in ids[:at]), None)
        if twice:
            raise ValueError(f"items: {twice} occurs twice: give each its own id")
        for item in self.items:
            if item.category not in categories:
                raise ValueError(f"items: {item.id}: no category {item.category!r}: add it, or correct the id")
            if item.level >= len(self.levels):
                raise ValueError(f"items: {item.id}: level {item.level}: there are {len(self.levels)} levels, from 0")
            if unknown_item := next((name for name in item.superseded_by if name not in ids), None):
                raise ValueError(f"items: {item.id}: superseded_by names {unknown_item!r}, which does not exist")
            for rule in item.evidence:
                if rule.steps and rule.steps not in self.steps:
                    raise ValueError(f"items: {item.id}: no kind of steps {rule.steps!r}: add it under [steps]")
        return self

    def find(self, item: str) -> Item:
        """Return an item by its id. Raises: MissingError, naming the items of its category."""
        found = next((one for one in self.items if one.id == item), None)
        if found is None:
            alike = [one.id for one in self.items if one.category == item.partition(".")[0]]
            raise MissingError.unknown("item", item, alike or [one.id for one in self.items], where=f"in {self.name}")
        return found
