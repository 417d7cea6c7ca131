"""Read what the script on a host prints: the text of /proc, df, ls, ip and openssl."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_LIMIT = re.compile(r"^Max open files\s+(\S+)\s+(\S+)")
_OPEN_FILES = re.compile(r"^/proc/(\d+)/limits:(Max open files.*)$")
ENDLESS = 1 << 63


@dataclass(frozen=True)
class Process:
    """A process of a host. state: the kernel's letter, such as Z."""

    pid: int
    parent: int
    name: str
    state: str
    threads: int = 1


@dataclass(frozen=True)
class Daemon:
    """A dockerd of the host. nofile: its soft limit of open files; None when it cannot be read."""

    pid: int
    arguments: tuple[str, ...]
    nofile: int | None = None

    def values(self, *names: str) -> list[str]:
        """The values of an option, under any of its names: --host=X, --host X, -H X."""
        found = []
        for at, word in enumerate(self.arguments):
            name, equals, value = word.partition("=")
            if name in names and equals:
                found.append(value)
            elif word in names and at + 1 < len(self.arguments):
                found.append(self.arguments[at + 1])
            else:
                # -Htcp://…, as the engine takes it
                found += [word[2:] for name in names if len(name) == 2 and len(word) > 2 and word.startswith(name)]
        return found


@dataclass(frozen=True)
class FileSystem:
    """A file system: how much it holds and uses, in kB or inodes. known: False for a folder that is not on the host."""

    mount: str
    size: int
    used: int
    free: int
    known: bool = True

    @property
    def share(self) -> float:
        """The used part, as df has it: without the part reserved for root."""
        return self.used / max(1, self.used + self.free)


@dataclass(frozen=True)
class ListedFile:
    """A file as `ls -ln` shows it. mode: such as srw-rw----."""

    path: str
    mode: str
    size: int


def settings(text: str) -> Mapping[str, str]:
    """name=value lines. A name that occurs again keeps its first value."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found.setdefault(name.strip(), value.strip())
    return found


def processes(text: str) -> Mapping[int, Process]:
    """Lines of /proc/*/status: a new process begins with each Name."""
    found: dict[int, Process] = {}
    fields: dict[str, str] = {}
    for line in [*text.splitlines(), "Name:\t"]:
        name, _, value = line.partition(":")
        if name == "Name" and {"Pid", "PPid", "State"} <= fields.keys():
            pid = int(fields["Pid"])
            state = fields["State"][:1]
            found[pid] = Process(pid, int(fields["PPid"]), fields["Name"], state, int(fields.get("Threads", "1")))
        fields = {"Name": value.strip()} if name == "Name" else {**fields, name: value.strip()}
    if not found:
        raise ValueError("no process was listed")
    return found


def daemons(text: str) -> Sequence[Daemon]:
    """The dockerds of the host with their arguments, one word a line."""
    found: list[Daemon] = []
    for line in text.splitlines():
        if line.startswith("daemon "):
            found.append(Daemon(int(line.split()[1]), ()))
        elif line.startswith(" ") and found:
            last = found[-1]
            found[-1] = Daemon(last.pid, (*last.arguments, line[1:]), last.nofile)
        elif (limit := _LIMIT.match(line)) and found:
            last = found[-1]
            found[-1] = Daemon(last.pid, last.arguments, _number(limit[1]))
    return found


def json_object(text: str) -> Mapping[str, Any]:
    """A JSON object. Raises: ValueError."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - a wrong value, not a wrong call
    return found


def file_systems(text: str) -> Mapping[str, FileSystem]:
    """The output of df -P, by mount, and folders that it cannot tell. Raises: ValueError when it lists none."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 6 and words[1].isdigit() and words[2].isdigit() and words[3].lstrip("-").isdigit():
            mount = " ".join(words[5:])
            found[mount] = FileSystem(mount, int(words[1]), int(words[2]), max(0, int(words[3])))
        elif line.startswith("unknown "):
            folder = line.removeprefix("unknown ")
            found[folder] = FileSystem(folder, 0, 0, 0, known=False)
    if not any(one.known for one in found.values()):
        raise ValueError(f"df lists no file system: {text.strip()[:100]}")
    return found


def memory(text: str) -> Mapping[str, int]:
    """Lines of /proc/meminfo, in bytes."""
    return {
        name: int(value.split()[0]) * 1024
        for name, _, value in (line.partition(":") for line in text.splitlines() if line)
    }


def open_files(text: str) -> Mapping[int, int]:
    """The soft limit of open files, by process."""
    found = {}
    for line in text.splitlines():
        if (matched := _OPEN_FILES.match(line)) and (limit := _LIMIT.match(matched[2])):
            found[int(matched[1])] = _number(limit[1])
    return found


def routes(text: str) -> Sequence[tuple[str, str]]:
    """The networks of `ip route` with their devices; the default route is left out."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if words and words[0][0].isdigit() and "dev" in words:
            found.append((words[0], words[words.index("dev") + 1]))
    return found


def files(text: str) -> Sequence[ListedFile]:
    """The output of ls -ln."""
    found = []
    for line in text.splitlines():
        words = line.split(None, 8)
        if len(words) == 9 and words[4].isdigit():
            found.append(ListedFile(words[8], words[0], int(words[4])))
    return list(dict.fromkeys(found))


def certificates(text: str) -> Mapping[str, datetime | str]:
    """When each certificate ends, UTC; what openssl says where it cannot tell."""
    found: dict[str, datetime | str] = {}
    path = ""
    for line in text.splitlines():
        if line.startswith("file "):
            path = line.removeprefix("file ")
            found[path] = "openssl says nothing of it"
        elif path and line.startswith("notAfter="):
            when = datetime.strptime(line.removeprefix("notAfter="), "%b %d %H:%M:%S %Y GMT")  # noqa: DTZ007 - GMT
            found[path] = when.replace(tzinfo=UTC)
        elif path and line.strip():
            found[path] = line.strip()
    return found


def _number(text: str) -> int:
    return ENDLESS if text == "unlimited" else int(text)
