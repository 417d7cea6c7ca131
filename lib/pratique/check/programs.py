"""Check that programs are installed, on this machine and on other hosts."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pratique.errors import MissingError, UnavailableError
from pratique.release.ssh import ssh_words

TIMEOUT_S = 15.0
_SSH_FAILED = 255
_MISSING = 'for name in "$@"; do command -v "$name" >/dev/null || echo "$name"; done'


def find_program(word: str, folder: Path) -> str:
    """Describe where a program is. word: as in the service file. folder: that a relative path is relative to.

    Raises: MissingError.
    """
    name = word.replace("{python}", sys.executable)
    path = str(folder / name) if "/" in name else name
    found = shutil.which(path)
    if found is None and Path(path).is_file():
        raise MissingError(f"{path!r} is not executable: run chmod +x on it")
    if found is None:
        raise MissingError(f"{name!r} is not installed: install it, or correct the path")
    return f"{Path(name).name} found at {found}"


def find_remote_programs(host: str, names: Sequence[str]) -> str:
    """Confirm that programs are installed on another host. Raises: MissingError, UnavailableError."""
    missing = run_on(host, ["sh", "-c", _MISSING, "sh", *names]).split()
    if missing:
        raise MissingError(f"{host} does not have {', '.join(missing)}: install it there")
    return f"{host} answers and has {', '.join(names)}"


def run_on(host: str, words: Sequence[str]) -> str:
    """Run a command on another host and return its output. Raises: UnavailableError with its own message."""
    command = [*ssh_words(host), shlex.join(words)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{host} cannot be reached over SSH: {type(error).__name__}") from error
    output, error_text = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace").strip()[-200:]
    if done.returncode == _SSH_FAILED:
        raise UnavailableError(f"{host} cannot be reached over SSH: {error_text}")
    if done.returncode != 0:
        raise UnavailableError(f"{host}: {words[0]} failed: {error_text or done.returncode}")
    return output
