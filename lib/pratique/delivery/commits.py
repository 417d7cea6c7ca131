"""Which commits each deployment brought to users, and how long each had waited; which still wait.

A commit counts once: at the first deployment that contains it. Merges do not count. The first known revision brings none, because the commits before
it are not known. Times are committer dates: those of a rebase or a cherry-pick, when the commit took its place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pratique.delivery.deployments import Record
from pratique.errors import PratiqueError
from pratique.git_command import git

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
MAIN = (
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
    "refs/heads/main",
    "refs/heads/master",
    "HEAD",
)
"""Names of the main branch; the first that exists is used."""


@dataclass(frozen=True)
class Delivered:
    """A commit that a deployment brought to users. commit: its hash. committed, deployed: UTC. revision: deployed first with it."""

    commit: str
    committed: datetime
    deployed: datetime
    revision: str

    @property
    def hours(self) -> float:
        """Hours from commit to deployment; negative where a clock was wrong."""
        return (self.deployed - self.committed).total_seconds() / 3600.0


@dataclass(frozen=True)
class CommitRecord:
    """The commits of one service's deployments.

    delivered: by deployment. waiting: committer dates of commits on the main branch that no deployment has brought yet. unknown: revisions whose commit is not
    known, or that git does not have. undated: delivered commits without a date that a calendar has. readable: whether the history could be read; why: if not, the reason.
    """

    delivered: tuple[Delivered, ...] = ()
    waiting: tuple[datetime, ...] = ()
    unknown: tuple[str, ...] = ()
    undated: tuple[str, ...] = ()
    readable: bool = True
    why: str = ""


def commits_of(record: Record, repository: Path | None) -> CommitRecord:
    """Return the commits of a record's deployments. repository: a folder in the git repository; None: there is none.

    A repository that cannot be read is no error: then nothing is known, and `why` says so.
    """
    every = tuple(deployment.revision for deployment in record.deployments)
    unknown = [deployment.revision for deployment in record.deployments if not deployment.commit]
    if repository is None:
        return CommitRecord(unknown=every, readable=False, why="no git repository was given")
    try:
        if git(repository, "rev-parse", "--is-shallow-repository").strip() == "true":
            return CommitRecord(unknown=every, readable=False, why="the clone is shallow: fetch the whole history")
        return _read(record, repository, unknown)
    except PratiqueError as error:
        return CommitRecord(unknown=every, readable=False, why=str(error))


def _read(record: Record, repository: Path, unknown: list[str]) -> CommitRecord:
    by_time = {deployment.time: deployment for deployment in record.deployments}
    # a name such as main would mean another commit every day
    here = _present(repository, [commit for _, commit in record.commits if _COMMIT.fullmatch(commit)])
    main = next(iter(_present(repository, MAIN).values()), None)
    graph = _Graph(repository, [*here.values(), *([main] if main else [])])
    delivered: list[Delivered] = []
    undated: list[str] = []
    known = False
    for time, commit in record.commits:
        deployment, found = by_time.get(time), here.get(commit)
        if found is None:
            if deployment is not None and commit:
                unknown.append(deployment.revision)
            continue
        new = graph.new(found)
        if deployment is not None and known:
            delivered += [
                Delivered(name, committed, deployment.time, deployment.revision)
                for name, committed in new
                if committed is not None
            ]
            undated += [name for name, committed in new if committed is None]
        known = True
    left = graph.new(main) if main and known else []
    waiting = sorted(committed for _, committed in left if committed is not None)
    return CommitRecord(tuple(delivered), tuple(waiting), tuple(unknown), tuple(undated))


class _Graph:
    """The commits that some tips contain, each listed once."""

    def __init__(self, repository: Path, tips: Sequence[str]) -> None:
        wanted = list(dict.fromkeys(tips))
        text = git(repository, "log", "--stdin", "--format=%H%x00%ct%x00%P", given="\n".join(wanted)) if wanted else ""
        self._commits: dict[str, tuple[datetime | None, list[str]]] = {}
        for line in text.splitlines():
            name, seconds, parents = line.split("\0")
            self._commits[name] = _time(seconds), parents.split()
        self._listed: set[str] = set()

    def new(self, tip: str) -> list[tuple[str, datetime | None]]:
        """The commits that `tip` contains and no earlier tip did, with their committer dates; no merges."""
        found: list[tuple[str, datetime | None]] = []
        ahead = [tip]
        while ahead:
            name = ahead.pop()
            if name in self._listed or name not in self._commits:
                continue
            self._listed.add(name)
            committed, parents = self._commits[name]
            ahead += parents
            if len(parents) < 2:
                found.append((name, committed))
        return found


def _time(seconds: str) -> datetime | None:
    """The committer date; None for one that no calendar has, as a wrong clock or another program may write it."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _present(repository: Path, names: Sequence[str]) -> dict[str, str]:
    """The full hashes of the names that git knows as commits, in the order of `names`."""
    asked = [name for name in dict.fromkeys(names) if name in MAIN or _COMMIT.fullmatch(name)]
    text = git(repository, "cat-file", "--batch-check", given="".join(f"{name}^{{commit}}\n" for name in asked))
    answers = (line.split() for line in text.splitlines())
    return {name: answer[0] for name, answer in zip(asked, answers, strict=True) if answer[1:2] == ["commit"]}
