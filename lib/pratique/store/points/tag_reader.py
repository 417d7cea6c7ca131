"""What tags and fields of a point say: the mapping's label sources, and actions from paths by the rules of the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pratique.config import PointMapping
from pratique.store.label_mapping import NO_ANSWER, LabelReader, LabelSource, Tags
from pratique.telemetry.actions import Actions

FIELD = "_field"
"""The label that stands for the name of a counter's field."""


class TagReader:
    """Reads tags from the names and values of a point."""

    def __init__(self, mapping: PointMapping) -> None:
        self._labels = LabelReader(mapping)
        self._method, self._path = LabelSource(mapping.method), LabelSource(mapping.path)
        self._has_path = bool(mapping.path)
        self._actions = {service: Actions(rules) for service, rules in mapping.rules.items()}
        self._other_actions = Actions()
        own = (
            mapping.service,
            mapping.revision,
            *mapping.action,
            mapping.code,
            mapping.host,
            mapping.method,
            mapping.path,
        )
        self.sources = [LabelSource(source).labels for source in own]
        """The tags and fields of each property; the first that is there counts."""
        self.names = tuple(dict.fromkeys(name for source in self.sources for name in source))
        """All of them."""
        self.revision_names = LabelSource(mapping.service).labels + LabelSource(mapping.revision).labels
        """Those that tell service and revision."""

    def read(self, labels: Mapping[str, str]) -> Tags | None:
        """Return the tags of a counter or point; None when it names no service."""
        tags = self._labels.read(labels)
        if tags is None or not self._has_path:
            return tags
        actions = self._actions.get(tags.service, self._other_actions)
        return replace(tags, action=actions.action(self._method.value(labels), self._path.value(labels)))

    def read_request(self, labels: Mapping[str, str]) -> Tags | None:
        """Return the tags of one request; without a code, it got no answer."""
        tags = self.read(labels)
        return tags if tags is None or tags.code is not None else replace(tags, code=NO_ANSWER)

    def label_of(self, tag: str) -> str:
        """Return the one label whose whole value is the service or revision; "" when there is no such label."""
        return self._labels.label_of(tag)
