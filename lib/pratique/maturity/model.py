"""The maturity model as data: categories, levels, practices, and which evidence meets each practice."""

from __future__ import annotations

import re
import tomllib
from functools import cached_property
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from pratique.config.types import Strict
from pratique.errors import ConfigError, DeniedError, MissingError
from pratique.number_text import percent

BUILT_IN = ("model.toml", "minimumcd.toml")
"""The models that are installed, the default first; they are named without their ending too."""
LARGEST = 1 << 20
"""Bytes of a model's file."""


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
        if self.at_least is None and self.at_most is None:
            return self.model_copy(update={"at_least": 1.0})
        return self

    @property
    def threshold(self) -> float:
        """The number that the value is compared with."""
        return self.at_least if self.at_least is not None else self.at_most or 0.0

    @property
    def condition(self) -> str:
        """The threshold in words."""
        number = self.threshold
        shown = percent(number) if self.is_share else f"{number:g}"
        return f"{'at least' if self.at_least is not None else 'at most'} {shown}"

    @property
    def is_share(self) -> bool:
        """Whether the threshold is written as a share."""
        return isinstance(self.threshold, float) and 0 < self.threshold < 1


class Item(Strict):
    """One practice. level: from 0. source: its place in the source. ask: the question to the team. next: the next step.

    effort: 1 small to 3 large. superseded_by: items that make this one met as well.
    """

    id: ItemId
    level: Annotated[int, Field(ge=0, le=9)]
    source: Text
    practice: Text
    next: Text
    ask: Annotated[str, Field(max_length=500)] = ""
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
        return self.ask or f"Is this so: {self.practice}?"


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
        from pratique.maturity.collectors import COLLECTORS  # noqa: PLC0415 - collectors read rules

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
                if rule.collector not in COLLECTORS:
                    raise ValueError(
                        f"items: {item.id}: no collector {rule.collector!r}: choose one of {', '.join(sorted(COLLECTORS))}"
                    )
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


def load_model(path: str | Path = "") -> MaturityModel:
    """Read a model. path: a file, or the name of an installed one (model, minimumcd); "": the built-in model.

    Raises: MissingError, DeniedError, ConfigError with file and key.
    """
    name = str(path) or BUILT_IN[0]
    installed = {known.removesuffix(".toml"): known for known in BUILT_IN} | {known: known for known in BUILT_IN}
    if name in installed and not Path(name).is_file():
        content = resources.files("pratique.maturity").joinpath(installed[name]).read_bytes()
    else:
        content = _read(Path(name))
    try:
        data = tomllib.loads(content.decode("utf-8-sig"))
        return MaturityModel.model_validate({**data, "digest": sha256(content).hexdigest()})
    except UnicodeDecodeError as error:
        raise ConfigError(f"model {name!r}: not UTF-8 at byte {error.start}: save it as UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"model {name!r}: not TOML: {str(error)[:200]}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "model"
        raise ConfigError(f"model {name!r}: {where}: {first['msg'].removeprefix('Value error, ')}") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise MissingError(
            f"model {str(path)!r} does not exist: check --model; installed are model and minimumcd"
        ) from None
    except OSError as error:
        raise DeniedError(f"model {str(path)!r} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise ConfigError(f"model {str(path)!r} is larger than {LARGEST >> 20} MiB: it is no model")
    return content
