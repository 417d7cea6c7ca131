"""The two sides of a comparison: what each is, and the files and facts that are read of it.

Layers that both sides have are read once, without the content of their files, and only where something else differs:
the effect of a layer is known only with the layers below it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pratique.release.bounds import Budget, Deadline, Limits, NotRead, Unread, shown
from pratique.release.contents import Contents
from pratique.release.image_archive import LayerBlob, SavedImage, diff_ids, layer_commands
from pratique.release.image_facts import image_settings, safe
from pratique.release.layers import Entry, Layer, read_digests, read_directory, read_layer
from pratique.release.packages import DATABASES, Facts, Package, kind_of

Progress = Callable[[str, int, int], None]
"""Called with the step, and how much of it is done: done, total."""


@dataclass(frozen=True)
class Given:
    """One side before anything is read.

    name: the revision or path. kind: "image" or "directory". digest: of the release; "" where it is not known.
    config: of the image. folder: the directory. saved: opens the saved image.
    """

    name: str
    kind: str
    digest: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    saved: Callable[[Budget], SavedImage] | None = None
    sizes: tuple[int, ...] = ()

    @property
    def layers(self) -> list[str]:
        """The digests of the unpacked layers, from the lowest to the highest."""
        return diff_ids(self.config)


@dataclass
class LayerSize:
    """A layer for people. bytes: of its files where they were read, else None. is_shared: whether both sides have it."""

    diff_id: str
    command: str
    bytes: int | None
    is_shared: bool


@dataclass
class Side:
    """One side as far as it was read. contents: None when nothing had to be read, because the layers are the same."""

    given: Given
    contents: Contents | None = None
    layers: list[LayerSize] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)

    @property
    def settings(self) -> dict[tuple[str, str], str]:
        """What the image's configuration sets, with secrets: only for comparing."""
        return image_settings(self.given.config)

    @property
    def is_whole(self) -> bool:
        """Whether every file was read."""
        return self.contents is None or self.contents.is_whole

    @cached_property
    def facts(self) -> list[tuple[str, Facts]]:
        """What the files tell, with their paths."""
        # a hard link gives a file a second name
        found = self.contents.entries() if self.contents is not None else ()
        return [(path, entry.facts) for path, entry in found if entry.facts is not None and kind_of(path)]

    def packages(self) -> Counter[Package]:
        """Return all packages, with how many times each is there."""
        return Counter(package for _, facts in self.facts for package in facts.packages)

    def hidden_databases(self) -> Iterator[Unread]:
        """Yield a finding for each database of packages that is a link to a file which was not parsed."""
        for kind, path in DATABASES if self.contents is not None else ():
            found = self.contents.followed(path) if self.contents is not None else None
            if found is not None and found.size and found.facts is None:
                yield Unread("packages", path, "a link to a file that is not parsed", kind)

    @cached_property
    def system(self) -> dict[str, str]:
        """The distribution, as os-release names it."""
        found: dict[str, str] = {}
        for path, facts in self.facts:
            if facts.system and (not found or path.startswith("/etc/")):
                found = dict(facts.system)
        return found


def read_sides(
    before: Given,
    after: Given,
    *,
    limits: Limits,
    deadline: Deadline,
    everything: bool = False,
    progress: Progress | None = None,
) -> tuple[Side, Side, dict[int, bytes]]:
    """Read both sides as far as they differ; `everything`: whether equal sides are read too, for their packages.

    Returns also the hashes of files in shared layers that have to be compared, by the id of their entry.
    """
    reading = _Reading(before, after, limits, deadline, progress)
    try:
        if not everything and before.layers and before.layers == after.layers:
            return reading.unread_side(before), reading.unread_side(after), {}
        sides = (reading.side(before), reading.side(after))
        return sides[0], sides[1], reading.shared_digests(sides)
    finally:
        reading.close()


class _Reading:
    """Both sides while they are read; it keeps the layers that both have."""

    def __init__(
        self, before: Given, after: Given, limits: Limits, deadline: Deadline, progress: Progress | None
    ) -> None:
        self._shared = set(before.layers) & set(after.layers)
        self._budgets = [Budget(limits, deadline), Budget(limits, deadline)]
        self._givens = [before, after]
        self._images: list[SavedImage | None] = []
        self._kept: dict[str, tuple[Layer, SavedImage, LayerBlob]] = {}
        self._progress = progress or (lambda *_: None)

    def close(self) -> None:
        for image in self._images:
            if image is not None:
                image.close()

    def unread_side(self, given: Given) -> Side:
        layers = given.layers
        commands = layer_commands(given.config, len(layers))
        sizes = [
            LayerSize(diff_id, safe(command), None, True) for diff_id, command in zip(layers, commands, strict=True)
        ]
        return Side(given, None, sizes)

    def side(self, given: Given) -> Side:
        budget = self._budgets[len(self._images)]
        contents = Contents(budget)
        side = Side(given, contents, unread=contents.unread)
        if given.folder is not None:
            self._images.append(None)
            self._progress(given.name, 0, 1)
            layer = read_directory(given.folder, budget)
            contents.apply(layer)
            side.layers = [LayerSize("", "", layer.bytes, False)]
            return side
        image = given.saved(budget) if given.saved is not None else None
        self._images.append(image)
        if image is None:
            return side
        for number, blob in enumerate(image.layers):
            self._progress(f"{given.name}: layer", number, len(image.layers))
            layer, is_shared = self._layer(image, blob, budget)
            contents.apply(layer)
            side.layers.append(
                LayerSize(blob.diff_id, safe(blob.command), layer.bytes if layer.is_whole else None, is_shared)
            )
        return side

    def _layer(self, image: SavedImage, blob: LayerBlob, budget: Budget) -> tuple[Layer, bool]:
        kept = self._kept.get(blob.diff_id)
        if kept is not None and _is_same(image, blob, kept[1], kept[2], budget):
            return kept[0], True
        is_shared = blob.diff_id in self._shared and kept is None
        try:
            layer = read_layer(blob.diff_id or blob.name, image.reader(blob, budget), budget, hashed=not is_shared)
        except NotRead as error:
            layer = Layer()
            layer.miss(blob.diff_id or blob.name, str(error))
        if is_shared:
            self._kept[blob.diff_id] = (layer, image, blob)
        elif kept is not None:
            layer.miss(blob.diff_id, "the other side has another layer with this digest")
        return layer, is_shared

    def shared_digests(self, sides: tuple[Side, Side]) -> dict[int, bytes]:
        """Return the hashes of those files of shared layers that stand against a file of another layer."""
        wanted: set[int] = set()
        for before, after in zip_contents(*(side.contents for side in sides)):
            if before is not None and after is not None and needs_digest(before[1], after[1]):
                wanted |= {id(entry) for _, entry in (before, after) if not entry.digest}
        found: dict[int, bytes] = {}
        for layer, image, blob in self._kept.values() if wanted else ():
            paths = {path: id(entry) for path, entry in layer.entries if id(entry) in wanted}
            if paths:
                digests = read_digests(image.reader(blob, self._budgets[0]), self._budgets[0], paths.keys())
                found |= {paths[path]: digest for path, digest in digests.items()}
        return found


def needs_digest(before: Entry, after: Entry) -> bool:
    """Return whether two files can be told apart only by their content, which of one is not hashed yet."""
    if before is after or before.kind != "file" or after.kind != "file" or before.size != after.size:
        return False
    return not before.digest or not after.digest


Pair = tuple[tuple[str, Entry] | None, tuple[str, Entry] | None]


def zip_contents(before: Contents | None, after: Contents | None) -> Iterator[Pair]:
    """Yield each path of either side with what it is on both; the content of a folder that only one side has too."""
    if before is None or after is None:
        return
    waiting = [("", before.root, after.root)]
    while waiting:
        folder, left, right = waiting.pop()
        lefts = left.children if left is not None and left.children else {}
        rights = right.children if right is not None and right.children else {}
        for name in dict.fromkeys((*lefts, *rights)):
            path, one, other = f"{folder}/{name}", lefts.get(name), rights.get(name)
            yield (path, one.entry) if one else None, (path, other.entry) if other else None
            if (one and one.children) or (other and other.children):
                waiting.append((path, one, other))  # type: ignore[arg-type] # None where a side has no such folder


def _is_same(image: SavedImage, blob: LayerBlob, other: SavedImage, known: LayerBlob, budget: Budget) -> bool:
    """Return whether two layers with one digest can be the same: archives that are not packed have the same size."""
    try:
        plain = image.reader(blob, budget).is_plain and other.reader(known, budget).is_plain
    except NotRead:
        return False
    return not plain or blob.size == known.size


def name_of(path: Path) -> str:
    """Return the name of a side that is a path."""
    return shown(path.name or str(path))
