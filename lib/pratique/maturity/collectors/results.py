"""Test results and coverage that lie in the working tree or are tracked: JUnit, Cobertura, JaCoCo and lcov.

Sources: the JUnit XML schema of Jenkins' xunit plugin; Cobertura's coverage-04.dtd; JaCoCo's report.dtd; geninfo(1) of lcov.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from pratique.maturity.collectors.registered import collector
from pratique.maturity.evidence import Evidence, compared, unknown
from pratique.maturity.model import Rule
from pratique.maturity.repository import Repository
from pratique.maturity.sources import Sources
from pratique.number_text import count, percent, plural

FRESH = timedelta(days=14)
MOST_ENTRIES = 100_000
MOST_FILES = 400
LARGEST = 20 << 20
MOST_ELEMENTS = 1_000_000
SKIPPED = {
    ".git",
    ".hg",
    "node_modules",
    ".venv",
    "venv",
    "__pycache__",
    ".tox",
    ".nox",
    ".mypy_cache",
    "site-packages",
}
NAMES = re.compile(
    r"(TEST-.*|.*junit.*|.*[-_.]?(test|xunit)[-_]?(results?|reports?).*|results?|.*coverage.*|cobertura.*|.*jacoco.*|nosetests|pytest.*|report)\.xml|.*lcov.*\.info|coverage\.info",
    re.IGNORECASE,
)
IN_FOLDERS = re.compile(
    r"(^|/)(surefire-reports|failsafe-reports|test-results|test-reports|junit|jacoco|reports)(/|$)", re.IGNORECASE
)


@dataclass(frozen=True)
class Report:
    """One file. made: when, by its own time or that of the file; None when that cannot be known. suites: names of test suites.

    tests: that ran. covered, coverable: lines. problem: why it cannot be read.
    """

    path: str
    made: datetime | None = None
    suites: tuple[tuple[str, int], ...] = ()
    tests: int = 0
    covered: int = 0
    coverable: int = 0
    problem: str = ""


_READ: WeakKeyDictionary[Repository, list[Report]] = WeakKeyDictionary()


@collector("results.junit", "results", presence=True)
def junit(sources: Sources, rule: Rule) -> Evidence:
    """Whether tests ran lately, by their results; with `suites`, whether suites so named did."""
    reports = [report for report in reports_of(sources) if report.suites or report.problem]
    read = [report for report in reports if not report.problem]
    if not read:
        return unknown(
            f"{reports[0].path}: {reports[0].problem}" if reports else "no JUnit results are in the working tree"
        )
    fresh = _fresh(read, sources)
    if not fresh:
        return _stale(read)
    if not rule.suites:
        ran = sum(report.tests for report in fresh)
        if not ran:
            return unknown(f"the results of {plural(len(fresh), 'file')} have no test that ran", [fresh[0].path])
        return compared(
            rule.model_copy(update={"of": 1}),
            ran,
            ran,
            f"{plural(ran, 'test')} ran on {_day(fresh)}",
            [report.path for report in fresh],
        )
    pattern = re.compile(rule.suites, re.IGNORECASE)
    named = [
        (name, tests, report.path)
        for report in fresh
        for name, tests in report.suites
        if tests and (pattern.search(name) or pattern.search(report.path))
    ]
    if not named:
        return unknown(f"none of {count(sum(len(report.suites) for report in fresh))} suites has a name of this kind")
    ran = sum(tests for _, tests, _ in named)
    return compared(
        rule.model_copy(update={"of": 1}),
        ran,
        ran,
        f"{plural(ran, 'test')} of suites such as {named[0][0][:60]!r} ran on {_day(fresh)}",
        [path for _, _, path in named],
    )


@collector("results.coverage", "results", presence=True)
def coverage(sources: Sources, rule: Rule) -> Evidence:
    """Whether coverage was measured lately."""
    reports = [report for report in reports_of(sources) if report.coverable]
    if not reports:
        broken = next(
            (report for report in reports_of(sources) if report.problem and "cov" in report.path.casefold()), None
        )
        return unknown(f"{broken.path}: {broken.problem}" if broken else "no coverage report is in the working tree")
    fresh = _fresh(reports, sources)
    if not fresh:
        return _stale(reports)
    covered, coverable = sum(report.covered for report in fresh), sum(report.coverable for report in fresh)
    reason = f"{percent(covered / coverable)} of {plural(coverable, 'line')} covered, measured on {_day(fresh)}"
    return compared(
        rule.model_copy(update={"of": 1}), len(fresh), len(fresh), reason, [report.path for report in fresh]
    )


def _fresh(reports: list[Report], sources: Sources) -> list[Report]:
    return [
        report
        for report in reports
        if report.made and sources.now - FRESH <= report.made <= sources.now + timedelta(days=1)
    ]


def _stale(reports: list[Report]) -> Evidence:
    times = [report.made for report in reports if report.made]
    when = f"the latest is of {max(times):%Y-%m-%d}, older than {FRESH.days} days" if times else "they have no date"
    return unknown(f"{plural(len(reports), 'result file')}: {when}", [report.path for report in reports])


def _day(reports: list[Report]) -> str:
    return f"{max(report.made for report in reports if report.made):%Y-%m-%d}"


def reports_of(sources: Sources) -> list[Report]:
    """Return every report of the working tree, read once. A bare repository has none."""
    repository = sources.git
    if repository not in _READ:
        _READ[repository] = (
            [] if repository.is_bare else [_report(repository, path) for path in _found(repository.root)]
        )
    return _READ[repository]


def _found(root: Path) -> list[Path]:
    """The regular files that are named like a report; links are not followed."""
    found: list[Path] = []
    seen = 0
    for folder, folders, names in os.walk(root, followlinks=False):
        inside = os.path.relpath(folder, root)
        depth = 0 if inside == "." else inside.count(os.sep) + 1
        folders[:] = sorted(name for name in folders if name not in SKIPPED) if depth < 12 else []
        seen += len(folders) + len(names)
        reports = bool(IN_FOLDERS.search(inside))
        found += [
            Path(folder, name) for name in sorted(names) if NAMES.fullmatch(name) or (reports and name.endswith(".xml"))
        ]
        if seen > MOST_ENTRIES or len(found) >= MOST_FILES:
            break
    return found[:MOST_FILES]


def _report(repository: Repository, path: Path) -> Report:
    name = str(path.relative_to(repository.root)).encode("utf-8", "replace").decode()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                return Report(name, problem="it is not a regular file")
            if about.st_size > LARGEST:
                return Report(name, problem=f"larger than {LARGEST >> 20} MiB")
            # a clone gives every tracked file the time of the clone
            changed = None if name in repository.files else datetime.fromtimestamp(about.st_mtime, UTC)
            return _lcov(name, file, changed) if name.casefold().endswith(".info") else _xml(name, file, changed)
    except OSError as error:
        return Report(name, problem=str(error.strerror))


def _lcov(name: str, file: Any, changed: datetime | None) -> Report:
    covered = coverable = 0
    for line in iter(lambda: file.readline(4096), b""):
        key, _, value = line.strip().partition(b":")
        if key in (b"LF", b"LH") and value.isdigit() and len(value) < 12:
            coverable += int(value) if key == b"LF" else 0
            covered += int(value) if key == b"LH" else 0
    return Report(name, changed, covered=min(covered, coverable), coverable=coverable)


def _xml(name: str, file: Any, changed: datetime | None) -> Report:
    """Read one of the XML forms element by element; entities and references to other files are refused."""
    from defusedxml import DefusedXmlException  # noqa: PLC0415 - only where results are read
    from defusedxml.ElementTree import ParseError, iterparse  # noqa: PLC0415

    reader = _Elements()
    try:
        # JaCoCo names its DTD, which is not fetched
        for event, element in iterparse(file, events=("start", "end"), forbid_dtd=False):
            reader.take(event, element)
    except DefusedXmlException as error:
        return Report(name, problem=f"refused: {type(error).__name__}")
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        return Report(name, problem=f"it is not XML: {str(error)[:80]}")
    made = max(reader.times) if reader.times else changed
    return Report(
        name, made, tuple(reader.suites.items()), sum(reader.suites.values()), reader.covered, reader.coverable
    )


class _Elements:
    def __init__(self) -> None:
        self.suites: dict[str, int] = {}
        self.times: list[datetime] = []
        self.covered = self.coverable = 0
        self._open: list[str] = []
        self._seen = 0
        self._root = self._suite = ""
        self._counts = False

    def take(self, event: str, element: Any) -> None:
        """Take one start or end of an element."""
        if event == "end":
            self._open.pop()
            element.clear()
            return
        self._seen += 1
        if self._seen > MOST_ELEMENTS or len(self._open) > 200:
            raise ValueError("more elements than any result has")
        self._root = self._root or element.tag
        if self._root in ("testsuites", "testsuite"):
            self._junit(element)
        elif self._root == "coverage":
            self._cobertura(element)
        elif self._root == "report":
            self._jacoco(element)
        self._open.append(element.tag)

    def _junit(self, element: Any) -> None:
        if element.tag == "testsuite":
            self._time(element.get("timestamp", ""))
            name = str(element.get("name", ""))[:200]
            self.suites.setdefault(name, 0)
            self._suite = name
        elif element.tag == "testcase" and self.suites:
            self.suites[self._suite] += 1
        elif element.tag == "skipped" and self.suites and self._open[-1:] == ["testcase"]:
            self.suites[self._suite] -= 1

    def _cobertura(self, element: Any) -> None:
        if element.tag == "coverage":
            self._time(element.get("timestamp", ""))
            self.coverable, self.covered = _number(element.get("lines-valid")), _number(element.get("lines-covered"))
            self._counts = not self.coverable
        elif element.tag == "line" and self._counts and "methods" not in self._open:
            self.coverable += 1
            self.covered += _number(element.get("hits")) > 0

    def _jacoco(self, element: Any) -> None:
        if element.tag == "sessioninfo":
            self._time(element.get("dump", ""))
        elif element.tag == "counter" and self._open == ["report"] and element.get("type") == "LINE":
            self.covered = _number(element.get("covered"))
            self.coverable = self.covered + _number(element.get("missed"))

    def _time(self, text: str) -> None:
        """Take a time in ISO 8601, or in seconds or milliseconds since 1970."""
        try:
            if text.isdigit() and len(text) < 15:
                seconds = int(text) / (1000 if len(text) > 11 else 1)
                self.times += [datetime.fromtimestamp(seconds, UTC)] if seconds else []
            elif text:
                made = datetime.fromisoformat(text[:40].strip())
                self.times.append(made.replace(tzinfo=UTC) if made.tzinfo is None else made.astimezone(UTC))
        except (ValueError, OverflowError):
            return


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() and len(text) < 12 else 0
