"""Another user of the same machine: a folder within its reach, and commands that run as it."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can run a command as another user"
)
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
SYSTEM_PYTHON = "/usr/bin/python3"
"""An interpreter that another user may run; the one of a virtual environment may be out of its reach."""


@contextmanager
def shared_folder():
    """A folder that every user can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="pratique-shared-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def as_nobody(*words, **options):
    """Run a command as another user; return the finished process."""
    command = [*AS_NOBODY, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **options)


@contextmanager
def running_as_nobody(*words, env=None):
    """A process of another user, ended afterwards."""
    process = subprocess.Popen(
        [*AS_NOBODY, *map(str, words)], stdout=subprocess.PIPE, env=os.environ | (env or {}), cwd="/"
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
