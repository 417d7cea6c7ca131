"""Which metrics and labels of other programs say what Pratique needs to know: the table `[store.metrics]`.

A label source names where a value comes from. It is the same for labels of Prometheus and for tags of other databases:

    label               the value of that label
    one|other           the first of these labels that is there and not empty
    label:PATTERN       the part of its value that the pattern's first group matches
    =TEXT               always that text
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator
from typing_extensions import override

from pratique.config.metric_presets import PRESETS
from pratique.config.types import Strict

_LABELS = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*(\|[A-Za-z_][A-Za-z0-9_.-]*)*")


def check_label_source(source: str) -> str:
    """Return `source` if it can be read. Raises: ValueError."""
    if source.startswith("=") or not source:
        return source
    labels, colon, pattern = source.partition(":")
    if not _LABELS.fullmatch(labels):
        raise ValueError(f"{labels[:80]!r} is no label: write LABEL, ONE|OTHER, LABEL:PATTERN or =TEXT")
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    if colon and not groups:
        raise ValueError(f"{pattern!r} has no group: put the part that is the value in parentheses")
    return source


LabelSource = Annotated[str, AfterValidator(check_label_source)]
_IN_MS = re.compile(r"_(ms|millis|milliseconds)(_bucket)?$")
_NO_COUNTERS = ("_created", "_bucket", "_sum")
"""Ends of the names of metrics beside a counter or histogram."""
MetricName = Annotated[str, Field(pattern=r"^([A-Za-z_:][A-Za-z0-9_:.]*(\|[A-Za-z_:][A-Za-z0-9_:.]*)*)?$")]
"""The name of a metric, or several with `|` between them."""


class LabelMapping(Strict):
    """Where service, revision, action, code and host of a request are found among the labels of a counter or point."""

    service: LabelSource = ""
    revision: LabelSource = ""
    action: tuple[LabelSource, ...] = ()
    code: LabelSource = ""
    host: LabelSource = ""


class ReadMapping(LabelMapping):
    """A mapping of counts that another program collects; a key that is not given has the value of the preset."""

    preset: str = ""
    window_s: Annotated[int, Field(ge=1, le=3600)] = 60
    lookback_s: Annotated[int, Field(ge=10, le=86400)] = 300
    history_h: Annotated[float, Field(gt=0, le=24 * 366)] = 48.0

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, given: Any) -> Any:
        name = given.get("preset", "") if isinstance(given, dict) else ""
        return {**cls.preset_named(name), **given} if name and isinstance(name, str) else given

    @classmethod
    def preset_named(cls, name: str) -> Mapping[str, Any]:
        """Return the keys of a preset. Raises: ValueError when there is none of that name."""
        raise NotImplementedError


def preset_of(presets: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """Return the preset of a name. Raises: ValueError that lists those that there are."""
    if name not in presets:
        raise ValueError(f"no preset {name[:80]!r}: choose one of {', '.join(presets)}")
    return presets[name]


class MetricMapping(ReadMapping):
    """Which counters are requests, which histogram has their durations, and what their labels mean.

    The fields are the keys of `[store.metrics]`. A key that is not given has the value of the preset.
    """

    requests: MetricName = ""
    latency: MetricName = ""
    latency_unit: Literal["s", "ms"] = "s"
    start_time: MetricName = "process_start_time_seconds"
    match: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] = Field(default_factory=dict)
    target: tuple[str, ...] = ("job", "instance")

    @classmethod
    @override
    def preset_named(cls, name: str) -> Mapping[str, Any]:
        """See ReadMapping."""
        return preset_of(PRESETS, name)

    @model_validator(mode="before")
    @classmethod
    def _with_unit_of_name(cls, given: Any) -> Any:
        names = str(given.get("latency") or "").split("|") if isinstance(given, dict) else []
        if "latency_unit" not in given and names and all(_IN_MS.search(name) for name in names):
            return {**given, "latency_unit": "ms"}
        return given

    @field_validator("requests")
    @classmethod
    def _counts_requests(cls, names: str) -> str:
        wrong = next((name for name in names.split("|") if name.endswith(_NO_COUNTERS)), None)
        if wrong is not None:
            raise ValueError(
                f"{wrong!r} does not count requests: name the counter, such as NAME_total, or NAME_count of a histogram"
            )
        return names

    @property
    def is_given(self) -> bool:
        """Whether the service file says which counters are requests, and of which service and revision."""
        return bool(self.requests and self.service and self.revision)
