"""Run git in a repository of unknown origin: no hook, filter, pager or network, and no program that its settings name."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pratique.errors import DataError, MissingError, UnavailableError

SAFE = (
    "--no-pager", "--no-optional-locks", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.attributesFile=/dev/null",
    "-c", "log.showSignature=false", "-c", "protocol.allow=never", "-c", "core.quotePath=false", "-c", "diff.external=", "-c", "core.pager=cat",
    "-c", "color.ui=false", "-c", "i18n.logOutputEncoding=UTF-8",
)  # fmt: skip
"""Options before git's command: they also make its output the same for every user."""
ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C.UTF-8",
}
KEPT = (
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_KEY_",
    "GIT_CONFIG_VALUE_",
)
"""Beginnings of the variables of git that stay: settings of the user, such as safe.directory. Others make git read another repository, as in a hook."""
TIMEOUT_S = 60.0


def git_bytes(repository: Path, *arguments: str, given: bytes = b"", timeout_s: float = TIMEOUT_S) -> bytes:
    """Run git in a repository and return what it prints.

    arguments: git's command and its own arguments. given: its standard input, which cannot be taken for options.
    Raises: MissingError (no git), DataError with git's first line (no repository, an unknown revision),
    UnavailableError (it took longer than timeout_s).
    """
    try:
        done = subprocess.run(
            ["git", *SAFE, "-C", str(repository), *arguments],
            env=_environment(), input=given, capture_output=True, timeout=timeout_s, check=False,
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
    return done.stdout


def git(repository: Path, *arguments: str, given: str = "", timeout_s: float = TIMEOUT_S) -> str:
    """As `git_bytes`, with text; bytes that are not UTF-8 are replaced."""
    return git_bytes(repository, *arguments, given=given.encode(), timeout_s=timeout_s).decode("utf-8", "replace")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(KEPT)}
    return kept | ENVIRONMENT
