"""Which points of another program's InfluxDB are requests, and what their tags and fields mean: the table `[store.points]`.

Label sources are those of `metric_mapping`, over tags and fields alike. `_field` stands for the name of a counter's field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr
from typing_extensions import override

from pratique.config.metric_mapping import LabelSource, ReadMapping, preset_of
from pratique.config.point_presets import POINT_PRESETS, WITHOUT_CODES
from pratique.config.service import ActionRule

StoredName = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=500)]
"""The name of a measurement, tag or field: any text on one line."""


class PointMapping(ReadMapping):
    """Which points are requests, or hold counters of requests, and where their properties are found.

    The fields are the keys of `[store.points]`. A key that is not given has the value of the preset. With `counters`,
    these fields are counters that rise; without, each point is one request.
    """

    measurement: StoredName = ""
    counters: tuple[StoredName, ...] = ()
    duration: StoredName = ""
    duration_unit: Literal["s", "ms", "us", "ns"] = "s"
    counted: StoredName = ""
    method: LabelSource = ""
    path: LabelSource = ""
    match: dict[StoredName, str] = Field(default_factory=dict)
    target: tuple[StoredName, ...] = ("host",)
    settle_s: Annotated[int, Field(ge=0, le=3600)] = 20
    _rules: dict[str, tuple[ActionRule, ...]] = PrivateAttr(default_factory=dict)

    @classmethod
    @override
    def preset_named(cls, name: str) -> Mapping[str, Any]:
        """See ReadMapping."""
        if name in WITHOUT_CODES:
            raise ValueError(
                f"{name!r}: that input of Telegraf counts requests without their status codes, so errors cannot be seen: "
                f"use {WITHOUT_CODES[name]}"
            )
        return preset_of(POINT_PRESETS, name)

    @property
    def missing(self) -> tuple[str, ...]:
        """The keys without which nothing can be read."""
        needed = {name: getattr(self, name) for name in ("measurement", "service", "revision", "code")}
        return tuple(name for name, value in needed.items() if not value)

    @property
    def rules(self) -> Mapping[str, tuple[ActionRule, ...]]:
        """The rules from paths to actions, by service."""
        return self._rules

    def with_rules(self, rules: Mapping[str, tuple[ActionRule, ...]]) -> PointMapping:
        """Return the mapping with the rules of the services' own tables."""
        changed = self.model_copy()
        changed._rules = dict(rules)  # noqa: SLF001 - of this class
        return changed
