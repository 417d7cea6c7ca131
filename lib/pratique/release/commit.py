"""The commit that a revision was made of: as given, else what git knows under the revision's name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pratique.errors import PratiqueError
from pratique.git_command import git

COMMIT = re.compile(r"[0-9a-f]{7,64}")
TIMEOUT_S = 5.0
"""How long git may take: a release does not wait for what only its record needs."""
Source = Literal["parameter", "revision", "tag", ""]


@dataclass(frozen=True)
class CommitOf:
    """The commit of a revision, "" if unknown. source: where it was taken from.

    "parameter": it was given. "revision": the revision is named by it, as the label org.opencontainers.image.revision of an image.
    "tag": a tag of git has the revision's name.
    """

    commit: str
    source: Source


def find_commit(revision: str, repository: Path, given: str = "") -> CommitOf:
    """Return the commit of a revision. repository: a folder in the git repository. given: by a person or a pipeline; it wins.

    A folder without a repository, a revision that git does not know and a git that does not answer are unknown, not errors.
    """
    if given:
        # a hash that git does not know here may be known where the history is read
        found = _resolved(given, repository) or (given if COMMIT.fullmatch(given) else "")
        return CommitOf(found, "parameter" if found else "")
    if COMMIT.fullmatch(revision) and (found := _resolved(revision, repository)):
        return CommitOf(found, "revision")
    if found := _resolved(f"refs/tags/{revision}", repository):
        return CommitOf(found, "tag")
    return CommitOf("", "")


def _resolved(name: str, repository: Path) -> str:
    try:
        answer = git(repository, "cat-file", "--batch-check", given=f"{name}^{{commit}}\n", timeout_s=TIMEOUT_S).split()
    except PratiqueError:
        return ""
    return answer[0] if answer[1:2] == ["commit"] else ""
