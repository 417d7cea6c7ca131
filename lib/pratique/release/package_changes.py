"""Which packages and runtimes differ: downgrades first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cmp_to_key

from pratique.release.bounds import shown
from pratique.release.packages import Package
from pratique.release.sides import Side
from pratique.release.versions import compare_versions

ORDER = ("down", "changed", "up", "new", "removed")
"""What became of a package, the most surprising first. "changed": two versions without an order."""


@dataclass(frozen=True)
class PackageChange:
    """One package that differs. change: of ORDER. before, after: None on a side that has no such package."""

    change: str
    before: Package | None
    after: Package | None

    @property
    def package(self) -> Package:
        """The package on the side that has it, the newer one first."""
        return self.after or self.before  # type: ignore[return-value] # one of both is there

    def version(self, package: Package | None) -> str:
        """Return the version for people; the reason when there is none."""
        if package is None:
            return "–"
        text = shown(package.version) if package.version else "no version, compared by content"
        others = {one.architecture for one in (self.before, self.after) if one is not None}
        return f"{text} ({shown(package.architecture)})" if len(others) > 1 else text


def compare_packages(before: Side, after: Side) -> tuple[list[PackageChange], list[PackageChange]]:
    """Return the runtimes and the packages that differ, each with the worst first.

    A kind whose packages were not read on one side has no new and no removed ones.
    """
    ones, others = before.packages(), after.packages()
    groups: dict[tuple[str, str, str], tuple[list[Package], list[Package]]] = defaultdict(lambda: ([], []))
    for position, packages in enumerate((ones - others, others - ones)):
        for package in packages.elements():
            groups[package.kind, package.group, package.name][position].append(package)
    missing = [unknown_kinds(side) for side in (before, after)]
    found = []
    for (kind, _, _), (left, right) in sorted(groups.items()):
        for change in _changes(kind, left, right):
            absent = change.before is None and missing[0], change.after is None and missing[1]
            if not any(kinds and ("" in kinds or kind in kinds) for kinds in absent):
                found.append(change)
    found.sort(key=lambda change: (ORDER.index(change.change), change.package.kind, change.package.full_name))
    runtimes = [change for change in found if change.package.kind == "runtime"]
    return runtimes, [change for change in found if change.package.kind != "runtime"]


def unknown_kinds(side: Side) -> set[str]:
    """Return the kinds of packages that may be missing on a side; "" for every kind."""
    kinds = {finding.kind for finding in side.unread if finding.part == "packages"}
    kinds |= {kind for _, facts in side.facts for kind, _ in facts.unread}
    kinds |= {finding.kind for finding in side.hidden_databases()}
    return kinds if side.is_whole else {*kinds, ""}


def _changes(kind: str, left: list[Package], right: list[Package]) -> Iterable[PackageChange]:
    """Pair the versions of one package that only one side has, from the lowest to the highest."""
    lefts, rights = _sorted(kind, left), _sorted(kind, right)
    for one, other in zip(lefts, rights, strict=False):
        order = compare_versions(kind, one.version, other.version)
        yield PackageChange({-1: "down", 1: "up"}.get(order or 0, "changed"), one, other)
    for one in lefts[len(rights) :]:
        yield PackageChange("removed", one, None)
    for other in rights[len(lefts) :]:
        yield PackageChange("new", None, other)


def _sorted(kind: str, packages: list[Package]) -> list[Package]:
    if len(packages) < 2:
        return packages

    def order(one: Package, other: Package) -> int:
        return -(compare_versions(kind, one.version, other.version) or 0)

    return sorted(sorted(packages), key=cmp_to_key(order))


def count_changes(changes: Iterable[PackageChange]) -> Counter[str]:
    """Return how many packages became what."""
    return Counter(change.change for change in changes)
