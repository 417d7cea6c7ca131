"""The processes of this user, by the labels in their environment.

Anybody can give a process any environment. So a label counts only on a process that runs as this user, and that runs the
program which sets it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

PROGRAM_WORDS = 5
"""How many words of a command line are looked at for the program: the interpreter, its options, and a launcher."""


def own_processes(program: str) -> Iterator[psutil.Process]:
    """Yield the running processes of this user that run a program, as `runs_as_us` decides."""
    return (process for process in psutil.process_iter() if runs_as_us(process, program))


def runs_as_us(process: psutil.Process, program: str) -> bool:
    """Return whether a process runs as this user, and runs a program of this package.

    program: a module ("pratique.cli"), or the end of a file's path ("runtime/supervise.py"): the file of another version
    of the package counts too.
    """
    try:
        # the real user as well: anybody may start a set-user-ID program with any environment
        users = process.uids()
        if {*users} != {os.geteuid()} or process.status() == psutil.STATUS_ZOMBIE:
            return False
        words = process.cmdline()
    except psutil.Error:
        return False
    return any(word == program or word.endswith(f"/{program}") for word in words[1 : 1 + PROGRAM_WORDS])


def pid_namespace() -> str:
    """Return the namespace in which this process's ids have a meaning; "" where the system has none.

    Source: pid_namespaces(7). Two containers that share a folder have two.
    """
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return ""


def has_ended(pid: int, namespace: str) -> bool:
    """Return whether a process is known to have ended. False for one of another namespace, which cannot be seen.

    namespace: what `pid_namespace` returned in that process.
    """
    if not pid or not namespace or namespace != pid_namespace():
        return False
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
