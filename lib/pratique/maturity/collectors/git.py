"""What the history of the main line and its tracked files say. People are counted, never named or compared."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from pratique.maturity.collectors.registered import collector
from pratique.maturity.evidence import NOT_APPLICABLE, Evidence, compared, share, unknown
from pratique.maturity.model import Rule
from pratique.maturity.repository import Commit, Repository
from pratique.maturity.sources import Sources
from pratique.number_text import plural

CODE = re.compile(
    r".+\.(py|pyx|java|kt|kts|scala|groovy|go|rs|c|cc|cpp|cxx|h|hpp|cs|fs|vb|js|jsx|ts|tsx|mjs|vue|svelte|rb|php|swift|m|mm|ex|exs|erl|clj|cljs|hs|ml|"
    r"lua|pl|pm|r|jl|dart|sql|sh|zig|nim)"
)
TEST = re.compile(
    r"(.*/)?((tests?|specs?|__tests__|testing|e2e|it|src/[a-z]*test[a-z]*|[\w.-]+[._-]tests?)/.*|(test_|tests_|conftest)[^/]*|[^/]*([._-](test|tests|spec|e2e)|tests?|spec|it)\.\w+)"
)
TICKET = re.compile(
    r"(?<![\w/])(#[0-9]{1,7}|gh-[0-9]{1,7}|![0-9]{1,7}|[A-Z][A-Z0-9_]{1,11}-[1-9][0-9]{0,6})\b|/(issues|pull|merge_requests|browse|work_items)/[\w-]+",
    re.ASCII,
)
NO_TICKET = re.compile(r"\b(UTF|SHA|ISO|RFC|CVE|PEP|MD|AES|RSA|X|TLS|HTTP|BASE|CP|WINDOWS|ECMA|ES|JSR|IEEE)-[0-9]+")
OWNERS = ("CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
LOCKS: dict[str, tuple[str, ...]] = {
    "package.json": (
        "package-lock.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "npm-shrinkwrap.json",
        "bun.lock",
        "bun.lockb",
        "deno.lock",
    ),
    "pyproject.toml": ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock"),
    "Pipfile": ("Pipfile.lock",),
    "Cargo.toml": ("Cargo.lock",),
    "go.mod": ("go.sum",),
    "Gemfile": ("Gemfile.lock",),
    "composer.json": ("composer.lock",),
    "mix.exs": ("mix.lock",),
    "build.gradle": (
        "gradle.lockfile",
        "gradle/verification-metadata.xml",
        "buildscript-gradle.lockfile",
        "gradle/libs.versions.toml",
    ),
    "build.gradle.kts": (
        "gradle.lockfile",
        "gradle/verification-metadata.xml",
        "buildscript-gradle.lockfile",
        "gradle/libs.versions.toml",
    ),
}
FOREIGN = r"node_modules|vendor|third[_-]?party|testdata|fixtures?|examples?|samples?|templates?|tests?|benchmarks?|src/(it|test)|archetype-resources"
EXAMPLES = re.compile(rf"(.*/)?({FOREIGN})/.*", re.IGNORECASE)
"""Files that are there to be tested or shown, or that others wrote."""
NOT_OURS = re.compile(rf"(.*/)?({FOREIGN}|docs?)/.*", re.IGNORECASE)
PINNED = re.compile(r"^[^#\s-][^#]*(===?|@)\s*\S+")
FLAGS = re.compile(
    rb"\b(launchdarkly|unleash[-_]?client|UnleashClient|openfeature|open-feature|flagsmith|growthbook|ff4j|togglz|flipper|django-waffle|waffle|gutter|"
    rb"go-feature-flag|featurehub|configcat|split[-_]?io|optimizely|statsig|posthog|flipt|FeatureManagement|fflip|rollout-js)\b",
    re.IGNORECASE,
)
MANIFESTS = (
    "**/package.json",
    "**/pyproject.toml",
    "**/requirements*.txt",
    "**/setup.py",
    "**/setup.cfg",
    "**/pom.xml",
    "**/build.gradle*",
    "**/go.mod",
    "**/Cargo.toml",
    "**/Gemfile",
    "**/*.csproj",
    "**/composer.json",
    "**/mix.exs",
)
FLAG_FILES = (
    "**/feature[-_]flags.*",
    "**/feature-flags.*",
    "**/feature_flags.*",
    "**/featureflags.*",
    "**/feature-toggles.*",
    "**/flags.y*ml",
    "**/flags.toml",
    "**/flags.json",
    "**/.flags.*",
    "**/flagd.json",
)


def _shallow(repository: Repository) -> Evidence | None:
    return (
        unknown("the clone is shallow: its history is cut off; fetch it with `git fetch --unshallow`")
        if repository.is_shallow
        else None
    )


@collector("git.history", "repository", strength="recorded", presence=True)
def history(sources: Sources, rule: Rule) -> Evidence:
    """Whether there is a repository with commits."""
    repository = sources.git
    if not repository.head:
        return unknown("the repository has no commit yet")
    number = len(repository.commits)
    cut = " at least, as the clone is shallow" if repository.is_shallow else ""
    return compared(
        rule.model_copy(update={"of": 1}),
        number,
        number,
        f"the repository has {plural(number, 'commit')}{cut}",
        [repository.commits[0].link],
    )


@collector("git.days", "repository")
def days_with_commits(sources: Sources, rule: Rule) -> Evidence:
    """Days of a week on which the main line moved: the median over the weeks of the window, from the first commit on."""
    repository = sources.git
    if cut := _shallow(repository):
        return cut
    start = sources.start(rule.days)
    inside = [commit for commit in repository.main_line if start <= commit.time <= sources.now]
    if not inside:
        return unknown(f"the main branch has no commit since {start:%Y-%m-%d}")
    first = max(start, min(commit.time for commit in repository.main_line))
    weeks = int((sources.now - first) / timedelta(days=7))
    if weeks < 2:
        return unknown(f"the history of {plural((sources.now - first).days, 'day')} is shorter than two weeks")
    days: dict[int, set[int]] = defaultdict(set)
    for commit in inside:
        age = (sources.now - commit.time).days
        days[age // 7].add(age)
    usual = float(median([len(days.get(week, ())) for week in range(weeks)]))
    reason = f"in the median week since {first:%Y-%m-%d} the main branch had commits on {usual:g} {'day' if usual == 1 else 'days'}, {plural(len(inside), 'commit')} in {plural(weeks, 'week')}"
    return compared(rule.model_copy(update={"of": 1}), usual, weeks, reason, [inside[0].link])


@collector("git.people", "repository")
def people_who_stayed(sources: Sources, rule: Rule) -> Evidence:
    """The share of those who committed half a year ago that still do."""
    repository = sources.git
    if cut := _shallow(repository):
        return cut
    then, recent = sources.now - timedelta(days=180), sources.start(rule.days)
    earlier = {commit.author for commit in repository.commits if then - timedelta(days=90) <= commit.time < then}
    now = {commit.author for commit in repository.commits if recent <= commit.time <= sources.now}
    few = rule.model_copy(update={"of": min(rule.of, 2)})
    return share(
        few,
        len(earlier & now),
        len(earlier),
        f"people who committed half a year ago have committed since {recent:%Y-%m-%d}",
    )


@collector("git.tests", "repository")
def tests_with_code(sources: Sources, rule: Rule) -> Evidence:
    """The share of integrated changes to code that change tests as well."""
    repository = sources.git
    if cut := _shallow(repository):
        return cut
    good: list[Commit] = []
    bad: list[Commit] = []
    for change in repository.integrations(sources.start(rule.days)):
        files = [path.casefold() for path in change.files]
        tests = [path for path in files if TEST.fullmatch(path)]
        if any(CODE.fullmatch(path) and not TEST.fullmatch(path) for path in files):
            (good if tests else bad).append(change.commit)
    where = [commit.link for commit in (*bad[:2], *good[:1])]
    return share(rule, len(good), len(good) + len(bad), "code changes also change tests", where)


@collector("git.tickets", "repository")
def tickets(sources: Sources, rule: Rule) -> Evidence:
    """The share of changes on the main line whose message names a ticket, or whose merged commits do."""
    repository = sources.git
    if cut := _shallow(repository):
        return cut
    inside = [commit for commit in repository.main_line if sources.start(rule.days) <= commit.time <= sources.now]
    named = [commit for commit in inside if TICKET.search(NO_TICKET.sub("", commit.message))]
    return share(
        rule, len(named), len(inside), "commits on the main branch name a ticket", [commit.link for commit in named[:2]]
    )


@collector("git.branches", "repository")
def branch_ages(sources: Sources, rule: Rule) -> Evidence:
    """The age of branches when they were merged, in days: the 80th percentile. Squashed history does not tell it."""
    repository = sources.git
    if cut := _shallow(repository):
        return cut
    ages = _merged_ages(repository, sources.start(rule.days), sources.now)
    if not ages:
        return unknown("no branch was merged with its own commits: squashed history does not show the age of branches")
    ordered = sorted(ages, key=lambda found: found[0])
    age, commit = ordered[min(len(ordered) - 1, int(0.8 * len(ordered)))]
    reason = f"four of five branches were merged within {age:.1f} days of their first commit ({plural(len(ages), 'branch', 'branches')})"
    return compared(rule, age, len(ages), reason, [commit.link])


def _merged_ages(repository: Repository, start: datetime, end: datetime) -> list[tuple[float, Commit]]:
    known = {commit.id: commit for commit in repository.commits}
    integrated: set[str] = set()
    found = []
    for step in reversed(repository.main_line):
        fresh, waiting = [], list(step.parents[1:])
        while waiting:
            one = known.get(waiting.pop())
            if one is None or one.id in integrated:
                continue
            integrated.add(one.id)
            fresh.append(one.time)
            waiting += one.parents
        integrated.add(step.id)
        if fresh and start <= step.time <= end:
            found.append((max(0.0, (step.time - min(fresh)).total_seconds() / 86400), step))
    return found


@collector("git.owners", "repository", strength="declared")
def owners(sources: Sources, rule: Rule) -> Evidence:
    """The share of the files that changed in the window that have an owner in CODEOWNERS."""
    repository = sources.git
    place = next((path for path in OWNERS if path in repository.files), None)
    if place is None:
        return Evidence("not met", "no CODEOWNERS file names owners", 0.0, rule.threshold, 0)
    if cut := _shallow(repository):
        return cut
    content = (repository.read(place) or b"").decode("utf-8", "replace")
    rules = [parsed for line in content.splitlines()[:5000] if (parsed := _owner_rule(line))]
    changed = {
        path
        for change in repository.integrations(sources.start(rule.days))
        for path in change.files
        if path in repository.files
    }
    owned = sum(_is_owned(path, rules) for path in changed)
    return share(
        rule,
        owned,
        len(changed),
        f"files that changed since {sources.start(rule.days):%Y-%m-%d} have an owner",
        [place],
    )


def _owner_rule(line: str) -> tuple[re.Pattern[str], bool] | None:
    words = line.split("#", 1)[0].split()
    if not words or words[0].startswith(("[", "^[")):
        return None
    pattern = words[0]
    anchored = "/" in pattern.rstrip("/")
    body = (
        re.escape(pattern.strip("/")[:300])
        .replace(r"\*\*/", "(?:.*/)?")
        .replace(r"\*\*", ".*")
        .replace(r"\*", "[^/]*")
        .replace(r"\?", "[^/]")
    )
    ends_in_star = pattern.endswith("/*") and not pattern.endswith("**")
    return re.compile(f"{'' if anchored else '(?:.*/)?'}{body}{'' if ends_in_star else '(?:/.*)?'}"), len(words) > 1


def _is_owned(path: str, rules: Sequence[tuple[re.Pattern[str], bool]]) -> bool:
    return next((owned for pattern, owned in reversed(rules) if pattern.fullmatch(path)), False)


@collector("git.locks", "repository", strength="declared")
def locks(sources: Sources, rule: Rule) -> Evidence:
    """The share of manifests whose dependencies have exact versions: a lock file beside or above them, or pins."""
    repository = sources.git
    manifests = [
        path
        for path in repository.files
        if path.rpartition("/")[2] in {*LOCKS, "pom.xml"} or re.fullmatch(r"(.*/)?requirements[^/]*\.txt", path)
    ]
    ours = [path for path in manifests if not NOT_OURS.fullmatch(path)]
    contents = repository.read_all(ours)
    judged = [path for path in ours if _has_dependencies(path, contents.get(path, b""))]
    loose = [path for path in judged if not _is_locked(path, contents.get(path, b""), repository)]
    if not judged:
        return unknown("no dependency manifest is tracked")
    what = f"manifests have exact versions{': not ' + ', '.join(loose[:3]) if loose else ''}"
    return share(rule.model_copy(update={"of": 1}), len(judged) - len(loose), len(judged), what, loose or judged)


def _has_dependencies(path: str, content: bytes) -> bool:
    name = path.rpartition("/")[2]
    words = {"package.json": (b'ependencies"',), "pyproject.toml": (b"dependencies",), "Cargo.toml": (b"dependencies",), "go.mod": (b"require",),
             "pom.xml": (b"<dependency>",), "composer.json": (b'"require',)}.get(name, (b"",))  # fmt: skip
    return bool(content.strip()) and any(word in content for word in words)


def _is_locked(path: str, content: bytes, repository: Repository) -> bool:
    folder, _, name = path.rpartition("/")
    if name == "pom.xml":
        # Maven takes exact versions unless a range is written
        return not re.search(rb"<version>\s*[\[(]|<version>\s*(LATEST|RELEASE)\s*<", content)
    if name.startswith("requirements"):
        lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines()]
        wanted = [line for line in lines if line and not line.startswith(("#", "-", "--"))]
        return bool(wanted or lines) and all(PINNED.match(line) for line in wanted)
    above = _folders(folder)
    beside = [f"{base}/{lock}".lstrip("/") for base in above for lock in LOCKS[name]]
    if any(lock in repository.files for lock in beside):
        return True
    if name != "pyproject.toml":
        return False
    # pins of a Python project are often a file of constraints beside it
    pins = [
        at
        for base in above
        for at in repository.matching(
            [
                f"{base}/*constraints*.txt".lstrip("/"),
                f"{base}/requirements*.txt".lstrip("/"),
                f"{base}/requirements/*.txt".lstrip("/"),
            ]
        )
    ]
    return any(
        _is_locked(at.replace("constraints", "requirements"), repository.read(at) or b"", repository)
        for at in pins[:20]
    )


def _folders(folder: str) -> list[str]:
    parts = folder.split("/") if folder else []
    return ["/".join(parts[:depth]) for depth in range(len(parts), -1, -1)]


@collector("git.files", "repository", strength="declared", presence=True)
def tracked_files(sources: Sources, rule: Rule) -> Evidence:
    """Whether files of some names are tracked; with a window of a year or more, whether they were changed in it."""
    repository = sources.git
    found = [path for path in repository.matching(rule.files) if not EXAMPLES.fullmatch(path)]
    if not found:
        reason = f"no tracked file is named like {', '.join(rule.files[:3])}"
        return (
            unknown(f"{reason}; {NOT_APPLICABLE}")
            if rule.may_not_apply
            else Evidence("not met", reason, 0.0, rule.threshold, 0)
        )
    named = ", ".join(found[:2]) + (f" and {len(found) - 2} more" if len(found) > 2 else "")
    if rule.days >= 365:
        if cut := _shallow(repository):
            return cut
        touched = repository.touched(found)
        start = sources.start(rule.days)
        if touched is None or touched[0] < start:
            when = f"{touched[0]:%Y-%m-%d}" if touched else "an unknown day"
            return unknown(
                f"{named}: last changed on {when}, older than {rule.days} days: it may describe another process", found
            )
        return compared(
            rule.model_copy(update={"of": 1}),
            len(found),
            len(found),
            f"{named}, last changed on {touched[0]:%Y-%m-%d}",
            [*found[:3], f"git {touched[1][:7]}"],
        )
    return compared(rule.model_copy(update={"of": 1}), len(found), len(found), f"tracked: {named}", found)


@collector("git.packages", "repository", strength="declared", presence=True)
def packages(sources: Sources, rule: Rule) -> Evidence:
    """How many folders have their own manifest or Dockerfile."""
    repository = sources.git
    names = (
        "**/package.json",
        "**/pyproject.toml",
        "**/pom.xml",
        "**/build.gradle*",
        "**/go.mod",
        "**/Cargo.toml",
        "**/*.csproj",
        "**/Dockerfile*",
        "**/setup.py",
    )
    found = [path for path in repository.matching(names) if not NOT_OURS.fullmatch(path)]
    folders = sorted({path.rpartition("/")[0] for path in found})
    return compared(
        rule.model_copy(update={"of": 1}),
        len(folders),
        max(1, len(folders)),
        f"{plural(len(folders), 'folder')} with a manifest",
        found,
    )


@collector("git.flags", "repository", strength="declared", presence=True)
def flags(sources: Sources, rule: Rule) -> Evidence:
    """Whether a library for feature flags is among the dependencies, or a file of flags is tracked."""
    repository = sources.git
    files = [path for path in repository.matching(FLAG_FILES) if not NOT_OURS.fullmatch(path)]
    manifests = [path for path in repository.matching(MANIFESTS) if not NOT_OURS.fullmatch(path)]
    libraries: dict[str, str] = {}
    for path, content in repository.read_all(manifests[:500]).items():
        for match in FLAGS.finditer(content):
            line = content.count(b"\n", 0, match.start()) + 1
            libraries.setdefault(match[1].decode().casefold(), f"{path}:{line}")
    number = len(libraries) + len(files)
    if not number:
        return Evidence("not met", "no feature-flag library and no flag file is tracked", 0.0, rule.threshold, 0)
    named = ", ".join([*libraries, *files][:3])
    return compared(
        rule.model_copy(update={"of": 1}), number, number, f"feature flags: {named}", [*libraries.values(), *files]
    )


@collector("git.tags", "repository", "ledger")
def tags(sources: Sources, rule: Rule) -> Evidence:
    """The share of promoted releases with a tag: of their commit, or named after the revision."""
    repository = sources.git
    names = repository.tags()
    named = {*names, *names.values()}
    promoted = sources.deployments(rule.days)
    commits = repository.commit_ids([sources.commit_of(record) for record in promoted])
    tagged, where = [], []
    for record in promoted:
        bare = record.revision.removeprefix("v")
        if {record.revision, bare, f"v{bare}", commits.get(sources.commit_of(record), "")} & named:
            tagged.append(record)
        else:
            where.append(f"ledger {sources.started(record).number}")
    return share(rule, len(tagged), len(promoted), "promoted releases have a tag", where)
