"""Who holds a lock on a file, according to the kernel. The text of a lock file is only what its last holder wrote."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

LOCKS = Path("/proc/locks")
LONGEST_COMMAND = 100


def lock_holders(descriptor: int) -> list[int]:
    """Return the processes that hold a `flock` on an open file; none where the kernel does not tell.

    Source: proc_locks(5). A process outside of this container has the id 0, and is left out.
    """
    file = os.fstat(descriptor)
    wanted = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    try:
        lines = [line.split() for line in LOCKS.read_text(encoding="ascii").splitlines()]
    except OSError:
        return []
    held = [words for words in lines if len(words) > 5 and words[1] == "FLOCK"]
    # a layered file system shows another device in /proc/locks than in stat
    exact = [words for words in held if words[5] == wanted]
    found = exact or [words for words in held if words[5].endswith(f":{file.st_ino}")]
    return sorted({int(words[4]) for words in found} - {0, -1})


def is_pratique(pid: int) -> bool:
    """Whether a process looks like a command of Pratique: for a message, not for trust."""
    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return any(word == "pratique.cli" or Path(word).name == "pratique" for word in words[:6])


def describe_process(pid: int) -> str:
    """Return a process with its user and its command, for a message."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            command = " ".join(process.cmdline()) or process.name()
            shown = "".join(c if c.isprintable() else "?" for c in command)[:LONGEST_COMMAND]
            return f"process {pid} of {process.username()} ({shown})"
    except psutil.Error:
        return f"process {pid}"
