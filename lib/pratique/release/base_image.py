"""Whether two images are built on the same base: by their labels, else by the layers that both begin with, else by os-release.

Source: OCI Image Specification 1.1, annotations `org.opencontainers.image.base.name` and `.digest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pratique.release.image_facts import safe
from pratique.release.sides import Given, Side

NAME, DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"


@dataclass(frozen=True)
class Base:
    """The base of both sides. same: None where it is not known. by: "label", "layers", "system" or "" for nothing.

    before, after: the base for people. shared_layers: layers that both sides begin with.
    """

    same: bool | None
    by: str
    before: str
    after: str
    shared_layers: int

    @property
    def text(self) -> str:
        """The base in a few words."""
        if self.same:
            return "base the same"
        if self.same is None:
            return f"both {self.after}; whether the base is the same is not known" if self.after else "base not known"
        return (
            f"base {self.before or 'unknown'} → {self.after or 'unknown'}"
            if self.before != self.after
            else "base rebuilt"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the base as plain JSON values."""
        return vars(self) | {"text": self.text}


def compare_bases(before: Side, after: Side) -> Base:
    """Return whether both sides have one base. Labels that say so are not believed when the lowest layers differ."""
    systems = _systems(before, after)
    shared = _common(before.given, after.given)
    labels = [_labels(side.given.config) for side in (before, after)]
    names = [safe(one.get(NAME, "") or one.get(DIGEST, "")) for one in labels]
    if shared and shared in {len(before.given.layers), len(after.given.layers)} and not all(names):
        return Base(True, "layers", systems[0], systems[1], shared)
    if all(names):
        digests = [one.get(DIGEST, "") for one in labels]
        told = digests[0] == digests[1] if all(digests) else names[0] == names[1]
        return Base(told and shared > 0, "label", names[0], names[1], shared)
    if shared:
        return Base(True, "layers", systems[0], systems[1], shared)
    if any(systems):
        return Base(None if systems[0] == systems[1] else False, "system", systems[0], systems[1], 0)
    return Base(None, "", "", "", 0)


def _common(before: Given, after: Given) -> int:
    """Return how many layers both sides begin with."""
    number = 0
    for one, other in zip(before.layers, after.layers, strict=False):
        if one != other:
            break
        number += 1
    return number


def _labels(config: Mapping[str, Any]) -> dict[str, str]:
    inner = config.get("config")
    labels = inner.get("Labels") if isinstance(inner, dict) else None
    return {str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {}


def _systems(before: Side, after: Side) -> tuple[str, str]:
    one, other = (safe(side.system.get("PRETTY_NAME") or side.system.get("ID", "")) for side in (before, after))
    return one, other
