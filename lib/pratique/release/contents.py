"""The files that an image shows: its layers one upon the other, with links resolved inside the image only.

Source: OCI Image Specification 1.1, "Applying Changesets": whiteouts hide files of the layers below; an entry replaces the one
of the same name, and only a folder upon a folder keeps the content.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from pratique.release.bounds import Budget, NotRead, Unread, shown
from pratique.release.layers import FOLDER, HARD_LINK, LINK, Entry, Layer

MOST_FINDINGS = 200
CIRCLE = "circular links, or too many in a row"
STEPS = 1 << 16
"""Folders that are passed between two looks at the clock."""


class Node:
    """One name in a folder."""

    __slots__ = ("children", "entry")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.children: dict[str, Node] | None = {} if entry.kind == FOLDER else None


class Contents:
    """All files of one side. unread: findings. is_whole: whether nothing is missing."""

    def __init__(self, budget: Budget) -> None:
        self.root = Node(Entry(FOLDER))
        self.unread: list[Unread] = []
        self.is_whole = True
        self._budget = budget
        self._nodes = 0
        self._steps = 0

    def apply(self, layer: Layer) -> None:
        """Add a layer: first everything that it hides, then its entries."""
        self.unread += layer.unread
        self.is_whole &= layer.is_whole
        try:
            for path in layer.hidden:
                self._hide(path)
            for path in layer.opaque:
                self._empty(path)
            seen: set[str] = set()
            for path, entry in layer.entries:
                if path in seen and entry.kind != FOLDER:
                    # the last one counts here; engines refuse such a layer, or differ in what they make of it
                    self._miss(path, "a name that occurs twice in a layer")
                seen.add(path)
                self._put(path, entry)
        except NotRead as error:
            self._miss("the image", str(error))

    def entry(self, path: str) -> Entry | None:
        """Return what has a path, and None if there is nothing; folders of the path may be links, its end is not followed."""
        folder, _, name = path.rpartition("/")
        found = self._folder(folder.split("/"), make=False)
        node = (found.children or {}).get(name) if found is not None else None
        return node.entry if node is not None else None

    def followed(self, path: str) -> Entry | None:
        """Return the file that a path leads to, through links inside the image only; None if there is none."""
        for _ in range(self._budget.limits.links + 1):
            try:
                found = self.entry(path)
            except _Circle:
                return None
            if found is None or found.kind != LINK:
                return found
            path = found.target if found.target.startswith("/") else f"{path.rpartition('/')[0]}/{found.target}"
        return None

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Yield every path but the root, with its entry."""
        waiting = [("", self.root)]
        while waiting:
            path, node = waiting.pop()
            for name, child in (node.children or {}).items():
                yield f"{path}/{name}", child.entry
                if child.children:
                    waiting.append((f"{path}/{name}", child))

    def _put(self, path: str, entry: Entry) -> None:
        folder, _, name = path.rpartition("/")
        try:
            parent = self._folder(folder.split("/"), make=True)
            if entry.kind == HARD_LINK:
                entry = self._linked(path, entry)
        except _Circle:
            self._miss(path, CIRCLE)
            return
        siblings = parent.children if parent is not None else None
        if siblings is None or entry.kind == HARD_LINK:
            return
        there = siblings.get(name)
        if there is not None and there.entry.kind == entry.kind == FOLDER:
            there.entry = entry
        else:
            siblings[name] = self._node(entry)

    def _linked(self, path: str, entry: Entry) -> Entry:
        """Return what a hard link means: the file itself."""
        parts = [part for part in entry.target.split("/") if part not in {"", "."}]
        found = self.entry(f"/{'/'.join(parts)}") if ".." not in parts else None
        if found is None or found.kind in {FOLDER, HARD_LINK}:
            self._miss(path, "a hard link to something that is not a file of the image")
            return entry
        return found

    def _empty(self, path: str) -> None:
        """Take everything out of a folder that a layer makes opaque."""
        try:
            folder = self._folder(path.split("/"), make=False)
        except _Circle:
            self._miss(path, CIRCLE)
            return
        if folder is not None and folder.children:
            folder.children.clear()

    def _hide(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        try:
            found = self._folder(folder.split("/"), make=False)
        except _Circle:
            self._miss(path, CIRCLE)
            return
        if found is not None and found.children:
            found.children.pop(name, None)

    def _folder(self, parts: list[str], *, make: bool) -> Node | None:
        """Return the folder of a path, through links inside the image. Raises: NotRead, _Circle."""
        passed, waiting, hops = [self.root], deque(parts), 0
        while waiting:
            self._step()
            part = waiting.popleft()
            if part in {"", "."}:
                continue
            if part == "..":
                passed = passed[:-1] or passed
                continue
            here = passed[-1].children
            child = here.get(part) if here is not None else None
            if child is not None and child.entry.kind == LINK:
                hops += 1
                if hops > self._budget.limits.links:
                    raise _Circle
                if child.entry.target.startswith("/"):
                    passed = [self.root]
                waiting.extendleft(reversed(child.entry.target.split("/")))
                continue
            if child is None or child.children is None:
                if not make or here is None:
                    return None
                child = here[part] = self._node(Entry(FOLDER))
            passed.append(child)
        return passed[-1]

    def _node(self, entry: Entry) -> Node:
        self._nodes += 1
        if self._nodes > 2 * self._budget.limits.members:
            raise NotRead(f"more than {2 * self._budget.limits.members:,} files and folders")
        return Node(entry)

    def _step(self) -> None:
        self._steps += 1
        if self._steps % STEPS == 0:
            self._budget.deadline.check()

    def _miss(self, what: str, reason: str) -> None:
        self.is_whole = False
        if len(self.unread) < MOST_FINDINGS:
            self.unread.append(Unread("files", shown(what), reason))


class _Circle(Exception):  # noqa: N818 - a way out of nested calls
    """Links that lead round, or too many of them."""
