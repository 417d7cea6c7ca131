"""What differs between two releases: base, runtimes, packages, configuration, layers and files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pratique.release.base_image import Base, compare_bases
from pratique.release.bounds import Deadline, Limits, Unread, shown
from pratique.release.file_changes import FileChange, FileChanges, compare_files, own_name
from pratique.release.image_facts import NOISY_LABELS, Setting, compare_settings
from pratique.release.package_changes import PackageChange, compare_packages
from pratique.release.sides import Given, Progress, Side, read_sides

SAME, DIFFERENT, CANNOT_TELL = 0, 1, 2
"""The exit status of `pratique diff --exit-code`."""


@dataclass(frozen=True)
class Finding:
    """Something that was not read on one side. side: "before", "after" or "both"."""

    side: str
    unread: Unread

    def to_json(self) -> dict[str, str]:
        """Return the finding as plain JSON values."""
        return {"side": self.side, **self.unread.to_json()}


@dataclass(frozen=True)
class Difference:
    """What differs between two sides of a service.

    service: "" for two paths. before, after: the sides; their packages are in them. base: whether they have one base. runtimes,
    packages: that differ, downgrades first. settings: keys that differ, of the images and of the service file. notes: why keys of the
    service file are not compared. files: that differ. findings: unread parts; with one of them nothing is called the same.
    """

    service: str
    before: Side
    after: Side
    base: Base
    runtimes: Sequence[PackageChange] = ()
    packages: Sequence[PackageChange] = ()
    settings: Sequence[Setting] = ()
    notes: Sequence[str] = ()
    files: FileChanges = field(default_factory=FileChanges)
    findings: Sequence[Finding] = ()

    @property
    def is_different(self) -> bool:
        """Whether anything but noise differs."""
        return bool(self.runtimes or self.packages or self.counting_settings() or self.files.counting())

    @property
    def exit_status(self) -> int:
        """0 the same, 1 different, 2 when no difference was found but something was not read."""
        if self.is_different:
            return DIFFERENT
        return CANNOT_TELL if self.findings else SAME

    def counting_settings(self) -> list[Setting]:
        """Return the keys that are no noise: without the times of the builds."""
        return [setting for setting in self.settings if (setting.part, setting.key) not in NOISY]

    def noise(self) -> dict[str, int]:
        """Return the kinds of noise with their numbers."""
        labels = len(self.settings) - len(self.counting_settings())
        return {**(self.files.noise or {}), **({"build time": labels} if labels else {})}

    def folded_files(self) -> dict[str, Counter[str]]:
        """Return what became of the files of each package, the package with the most first."""
        found: dict[str, Counter[str]] = {}
        for change in self.files.counting():
            if change.package:
                found.setdefault(own_name(change.package), Counter())[change.change] += 1
        return dict(sorted(found.items(), key=lambda one: (-one[1].total(), one[0])))

    def other_files(self) -> list[FileChange]:
        """Return the files of no package that are no noise."""
        return [change for change in self.files.counting() if not change.package]


NOISY = {("label", label) for label in NOISY_LABELS}


def compare_releases(
    service: str,
    before: Given,
    after: Given,
    *,
    limits: Limits | None = None,
    deadline: Deadline | None = None,
    service_file: Sequence[Setting] = (),
    notes: Sequence[str] = (),
    not_known: Sequence[Unread] = (),
    everything: bool = False,
    progress: Progress | None = None,
) -> Difference:
    """Read and compare two sides.

    limits, deadline: what may be read; both sides share the time. service_file: keys of the service file that differ. notes: why
    they are not compared.
    not_known: further findings of both sides. everything: read equal layers too, for the packages of a side.
    Raises: DataError, MissingError, DeniedError for a file that is no image, UnavailableError of an engine.
    """
    limits = limits or Limits()
    one, other, digests = read_sides(
        before,
        after,
        limits=limits,
        deadline=deadline or Deadline(limits.budget_s),
        everything=everything,
        progress=progress,
    )
    runtimes, packages = compare_packages(one, other)
    files = compare_files(one, other, digests)
    settings = [*compare_settings(one.settings, other.settings), *service_file]
    findings = [
        *(Finding("before", found) for found in _unread(one)),
        *(Finding("after", found) for found in _unread(other)),
        *(Finding("both", found) for found in (*files.unread, *not_known)),
    ]
    return Difference(
        service, one, other, compare_bases(one, other), runtimes, packages, settings, notes, files, _merged(findings)
    )


def _unread(side: Side) -> list[Unread]:
    """Return the findings of a side: those of its layers, and those of files that it shows."""
    told = [
        Unread("packages", shown(path), shown(reason), kind)
        for path, facts in side.facts
        for kind, reason in facts.unread
    ]
    return [*side.unread, *side.hidden_databases(), *told]


def _merged(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings once each; what both sides have, such as a shared layer, is one of both."""
    sides: dict[Unread, set[str]] = {}
    for finding in findings:
        sides.setdefault(finding.unread, set()).add(finding.side)
    return [Finding(next(iter(found)) if len(found) == 1 else "both", unread) for unread, found in sides.items()]
