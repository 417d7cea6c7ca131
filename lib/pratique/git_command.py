"""Read a git repository with git itself: no hook, no pager, no network, and no program that the repository's settings name."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pratique.errors import DataError, MissingError, UnavailableError

SAFE = (
    "--no-pager",
    "--no-optional-locks",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "log.showSignature=false",
    "-c",
    "protocol.allow=never",
)
"""Options before git's command."""
ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
HIDDEN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_EXTERNAL_DIFF")
"""Variables that would make git read another repository, as in a hook."""
TIMEOUT_S = 60.0


def git(repository: Path, *arguments: str, given: str = "", timeout_s: float = TIMEOUT_S) -> str:
    """Run git in a repository and return what it prints; bytes that are not UTF-8 are replaced.

    arguments: git's command and its own arguments. given: its standard input, which cannot be taken for options.
    Raises: MissingError (no git), DataError with git's first line (no repository, an unknown revision),
    UnavailableError (it took longer than timeout_s).
    """
    env = {name: value for name, value in os.environ.items() if name not in HIDDEN} | ENVIRONMENT
    try:
        done = subprocess.run(
            ["git", *SAFE, "-C", str(repository), *arguments],
            env=env, input=given.encode(), capture_output=True, timeout=timeout_s, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise MissingError("git is not installed: install it to read the repository") from error
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"git {arguments[0]} in {str(repository)!r} took longer than {timeout_s:g} s: try again"
        ) from error
    if done.returncode:
        line = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0][:300]
        raise DataError(
            f"git {arguments[0]} in {str(repository)!r} failed: {line or done.returncode}: check the repository"
        )
    return done.stdout.decode("utf-8", "replace")
