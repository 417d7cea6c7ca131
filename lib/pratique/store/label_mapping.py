"""Read service, revision, action, code and host from the labels of a counter or point, as a mapping says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pratique.config import LabelMapping
from pratique.telemetry.cardinality import OTHER

NO_REVISION = "none"
"""The revision of requests whose labels name none; the collector writes the same."""
NO_ANSWER = 0
"""The code of a request whose status is not a number, such as HAProxy's "other"."""
_CODE = re.compile(r"([1-5])([0-9]{2}|[xX]{2})")


@dataclass(frozen=True)
class Tags:
    """What the labels say about requests.

    code: None where no label has it; of a class such as "5xx" its first code. code_is_class: whether it is such a class.
    """

    service: str
    revision: str
    action: str
    code: int | None
    host: str
    code_is_class: bool = False


class LabelReader:
    """Reads tags from labels."""

    def __init__(self, mapping: LabelMapping) -> None:
        self._service = LabelSource(mapping.service)
        self._revision = LabelSource(mapping.revision)
        self._action = [LabelSource(source) for source in mapping.action]
        self._code = LabelSource(mapping.code)
        self._host = LabelSource(mapping.host)

    def read(self, labels: Mapping[str, str]) -> Tags | None:
        """Return the tags of a counter; None when its labels name no service."""
        service = self._service.value(labels)
        if not service:
            return None
        parts = [part for part in (source.value(labels) for source in self._action) if part]
        code = self._code.value(labels)
        return Tags(
            service=service,
            revision=self._revision.value(labels) or NO_REVISION,
            action=" ".join(parts) or OTHER,
            code=_code(code),
            host=self._host.value(labels),
            code_is_class=code[1:].lower() == "xx",
        )

    def label_of(self, tag: str) -> str:
        """Return the one label whose whole value is a tag, "service" or "revision"; "" when there is no such label."""
        return (self._service if tag == "service" else self._revision).whole_label


class LabelSource:
    """Where one value comes from; `config.metric_mapping` describes the text."""

    def __init__(self, source: str) -> None:
        self._fixed = source[1:] if source.startswith("=") else ""
        labels, _, pattern = ("" if self._fixed else source).partition(":")
        self._labels = [label for label in labels.split("|") if label]
        self._pattern = re.compile(pattern) if pattern else None

    @property
    def labels(self) -> list[str]:
        """The labels that are looked at."""
        return self._labels

    @property
    def whole_label(self) -> str:
        """The one label whose whole value it is; "" when it is a part, or one of several."""
        return self._labels[0] if len(self._labels) == 1 and self._pattern is None else ""

    def value(self, labels: Mapping[str, str]) -> str:
        """Return the value, "" when the labels do not have it."""
        if self._fixed:
            return self._fixed
        found = next((labels[label] for label in self._labels if labels.get(label)), "")
        if self._pattern is None or not found:
            return found
        match = self._pattern.search(found)
        return (match.group(1) or "") if match else ""


def _code(text: str) -> int | None:
    if not text:
        return None
    found = _CODE.fullmatch(text)
    if not found:
        return NO_ANSWER
    hundreds, rest = found.groups()
    return int(hundreds) * 100 + (int(rest) if rest.isdigit() else 0)
