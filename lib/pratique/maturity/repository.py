"""A git repository, read without running anything of it: no hook, filter, pager or network, and nothing outside of it.

Files are read as the last commit has them, never from the working tree, so a link cannot lead anywhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from secrets import token_hex

from pratique.errors import DataError, MissingError
from pratique.git_command import git_bytes

LARGEST_FILE = 1 << 20
"""Bytes of a file that is read; larger ones are no pipeline, manifest or list of owners."""
MOST_FILES = 400_000
MOST_COMMITS = 50_000
MOST_READ = 64 << 20
"""Bytes that are read of all files together."""


@dataclass(frozen=True)
class TrackedFile:
    """A regular file of the last commit. size: bytes."""

    path: str
    blob: str
    size: int


@dataclass(frozen=True)
class Commit:
    """A commit. time: of the committer, UTC. author: address in lower case; it is only compared and counted."""

    id: str
    parents: tuple[str, ...]
    time: datetime
    author: str
    name: str
    message: str

    @property
    def link(self) -> str:
        """The commit as a link of evidence."""
        return f"git {self.id[:7]}"


@dataclass(frozen=True)
class Integration:
    """One step of the main line, direct or a merge, with the files that it changed there."""

    commit: Commit
    files: tuple[str, ...]


class Repository:
    """What git knows about a folder. Everything is read once."""

    def __init__(self, folder: Path) -> None:
        """folder: in a working tree, or a bare repository. Raises: MissingError when there is no repository or no git, DataError, UnavailableError."""
        self.folder = folder
        self._left = MOST_READ
        self._contents: dict[str, bytes] = {}
        self._ids: dict[str, str] = {}
        if not folder.is_dir():
            raise MissingError(f"folder {str(folder)!r} does not exist: check --repository")
        top = self._git("rev-parse", "--is-bare-repository", "--is-shallow-repository").decode().split()
        self.is_bare, self.is_shallow = top[:1] == ["true"], top[1:2] == ["true"]
        self.root = (
            folder if self.is_bare else Path(os.fsdecode(self._git("rev-parse", "--show-toplevel").rstrip(b"\n")))
        )

    @cached_property
    def head(self) -> str:
        """The id of the last commit; "" when there is none."""
        try:
            return self._git("rev-parse", "--verify", "--quiet", "HEAD^{commit}").decode().strip()
        except DataError:
            return ""

    @cached_property
    def files(self) -> dict[str, TrackedFile]:
        """The regular files of the last commit by path; links and submodules are left out. Raises: DataError when there are too many."""
        found: dict[str, TrackedFile] = {}
        if not self.head:
            return found
        for record in self._git("ls-tree", "-r", "-z", "-l", "--full-tree", self.head).split(b"\0"):
            about, _, name = record.partition(b"\t")
            parts = about.split()
            if len(parts) == 4 and parts[0] in (b"100644", b"100755") and parts[3].isdigit():
                path = name.decode("utf-8", "replace")
                found[path] = TrackedFile(path, parts[2].decode(), int(parts[3]))
            if len(found) > MOST_FILES:
                raise DataError(f"the repository has more than {MOST_FILES:,} files, so none is read")
        return found

    @cached_property
    def _folded(self) -> list[tuple[str, str]]:
        return [(path.casefold(), path) for path in self.files]

    def matching(self, globs: Iterable[str]) -> list[str]:
        """Return the paths that match one of the patterns, shallow first: * stays in a folder, ** crosses folders; case does not count."""
        pattern = _joined(tuple(globs))
        found = [path for folded, path in self._folded if pattern.fullmatch(folded)]
        return sorted(found, key=lambda path: (path.count("/"), path))

    def read(self, path: str) -> bytes | None:
        """Return the content of a file of the last commit; None when it does not exist, is too large, or too much was read."""
        return self.read_all([path]).get(path)

    def read_all(self, paths: Sequence[str]) -> dict[str, bytes]:
        """Return the contents of files of the last commit, without those that are too large."""
        wanted: list[TrackedFile] = []
        for path in paths:
            file = self.files.get(path)
            if (
                file is not None
                and path not in self._contents
                and file.size <= LARGEST_FILE
                and self._left >= file.size
            ):
                self._left -= file.size
                wanted.append(file)
        if wanted:
            output = self._git("cat-file", "--batch", given="".join(f"{file.blob}\n" for file in wanted).encode())
            at = 0
            for file in wanted:
                end = output.index(b"\n", at)
                if output[at:end].endswith(b" missing"):
                    at = end + 1
                    continue
                self._contents[file.path] = output[end + 1 : end + 1 + file.size]
                at = end + 1 + file.size + 1
        return {path: self._contents[path] for path in paths if path in self._contents}

    @cached_property
    def commits(self) -> list[Commit]:
        """All commits of the last commit's history, the newest first; at most MOST_COMMITS."""
        if not self.head:
            return []
        form = "%H%x1f%P%x1f%ct%x1f%aE%x1f%aN%x1f%B"
        raw = self._git(
            "log", "-z", f"--max-count={MOST_COMMITS}", "--no-show-signature", f"--format={form}", self.head, "--"
        )
        # no message has a zero byte in it, so none can look like another commit
        found: dict[str, Commit] = {}
        for record in raw.split(b"\0"):
            commit = _commit(record)
            if commit is not None:
                found.setdefault(commit.id, commit)
        return list(found.values())

    @cached_property
    def main_line(self) -> list[Commit]:
        """The commits of the main line (first parents), the newest first."""
        known = {commit.id: commit for commit in self.commits}
        found: list[Commit] = []
        at = known.get(self.head)
        while at is not None:
            found.append(at)
            at = known.get(at.parents[0]) if at.parents else None
        return found

    @lru_cache(maxsize=8)  # noqa: B019 - one repository lives as long as one review
    def integrations(self, since: datetime) -> list[Integration]:
        """Return the steps of the main line since a time with the files that each changed, the newest first."""
        wanted = {commit.id: commit for commit in self.main_line if commit.time >= since}
        if not wanted:
            return []
        mark = f"%x1e{token_hex(8)}"  # a file may have any name, but not one that nobody knows
        raw = self._git(
            "log", "--first-parent", "-m", f"--max-count={len(wanted) + 1000}", f"--since={since.timestamp():.0f}", "--name-only", "-z",
            "--no-renames", "--no-ext-diff", "--no-textconv", "--no-show-signature", f"--format={mark}%H", self.head, "--",
        )  # fmt: skip
        found = []
        for record in raw.split(mark.replace("%x1e", "\x1e").encode())[1:]:
            head, _, names = record.partition(b"\0")
            commit = wanted.get(head.decode("ascii", "replace").strip())
            if commit is not None:
                found.append(Integration(commit, tuple(_names(names))))
        return found

    def touched(self, paths: Sequence[str]) -> tuple[datetime, str] | None:
        """Return when some paths were changed last, and by which commit; None when that is not known."""
        if not paths or not self.head:
            return None
        output = self._git(
            "log", "-1", "--no-show-signature", "--format=%ct %H", self.head, "--", *(f":(top,literal){path}" for path in paths[:50])
        ).split()  # fmt: skip
        return (_time(output[0]), output[1].decode()) if len(output) == 2 else None

    def tags(self) -> dict[str, str]:
        """Return the tags: name → id of the commit."""
        raw = self._git("for-each-ref", "--format=%(refname:short)%00%(objectname)%00%(*objectname)", "refs/tags")
        found = {}
        for line in raw.split(b"\n"):
            name, _, ids = line.partition(b"\0")
            direct, _, peeled = ids.partition(b"\0")
            if name:
                found[name.decode("utf-8", "replace")] = (peeled or direct).decode("ascii", "replace")
        return found

    def authors_of(self, path: str, lines: tuple[int, int]) -> set[str]:
        """Return names and addresses, in lower case, of the last authors of some lines of a file."""
        raw = self._git(
            "blame",
            "--no-textconv",
            "--line-porcelain",
            "-L",
            f"{lines[0]},{lines[1]}",
            self.head,
            "--",
            path,
            folder=self.root,
        )
        found = set()
        for line in raw.split(b"\n"):
            for key in (b"author ", b"author-mail "):
                if line.startswith(key):
                    found.add(line.removeprefix(key).decode("utf-8", "replace").strip("<> ").casefold())
        return found

    def changed_files(self, pairs: Sequence[tuple[str, str]]) -> list[list[str] | None]:
        """Return, for each pair of an older and a newer commit, the files that differ; None when one of the two is not known here."""
        known = self.commit_ids([commit for pair in pairs for commit in pair])
        asked = [pair for pair in pairs if pair[0] in known and pair[1] in known]
        if not asked:
            return [None] * len(pairs)
        mark = token_hex(8)
        raw = self._git(
            "diff-tree", "--stdin", "--always", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv", f"--format=tformat:{mark}",
            given="".join(f"{known[newer]} {known[older]}\n" for older, newer in asked).encode(),
        )  # fmt: skip
        answers = iter(raw.split(mark.encode())[1:])
        return [_names(next(answers)) if pair[0] in known and pair[1] in known else None for pair in pairs]

    def commit_ids(self, commits: Iterable[str]) -> dict[str, str]:
        """Return the full ids of commits, on whatever branch, by the ids that were given; those that git does not know are left out."""
        asked = [commit for commit in dict.fromkeys(commits) if _ID.fullmatch(commit)]
        new = [commit for commit in asked if commit not in self._ids]
        self._ids |= dict.fromkeys(new, "")
        self._ids |= {one: name for one, (name, kind) in self._checked(new, "^{commit}").items() if kind == "commit"}
        return {commit: self._ids[commit] for commit in asked if self._ids[commit]}

    def commit_times(self, commits: Iterable[str]) -> dict[str, datetime]:
        """Return the times of commits (committer, UTC) by the ids that were given; those that git does not know are left out."""
        known = self.commit_ids(commits)
        times = {commit.id: commit.time for commit in self.commits}
        others = {name for name in known.values() if name not in times}
        if others:
            times |= self._times_of(others)
        return {commit: times[name] for commit, name in known.items() if name in times}

    def _times_of(self, ids: Iterable[str]) -> dict[str, datetime]:
        raw = self._git(
            "log",
            "--no-walk=unsorted",
            "--stdin",
            "--no-show-signature",
            "--format=%H %ct",
            given="\n".join(ids).encode(),
        )
        return {name: _time(time) for name, _, time in (line.partition(" ") for line in raw.decode().splitlines())}

    def having(self, commits: Iterable[str], path: str) -> set[str]:
        """Return those of some commits that have a file. An id that is not known here has none."""
        if "\n" in path:
            return set()
        asked = [commit for commit in dict.fromkeys(commits) if _ID.fullmatch(commit)]
        return {commit for commit, (_, kind) in self._checked(asked, f":{path}").items() if kind == "blob"}

    def _checked(self, ids: Sequence[str], suffix: str) -> dict[str, tuple[str, str]]:
        """The id and kind of what some ids with a suffix name, without those that git does not know."""
        if not ids:
            return {}
        raw = self._git("cat-file", "--batch-check", given="".join(f"{one}{suffix}\n" for one in ids).encode())
        answers = [line.split(b" ") for line in raw.split(b"\n")]
        # git repeats what it does not know, with a word behind it
        return {
            one: (answer[0].decode(), answer[1].decode())
            for one, answer in zip(ids, answers, strict=False)
            if len(answer) == 3 and answer[2].isdigit()
        }

    def is_changed(self, path: str) -> bool:
        """Return whether a file of the working tree differs from the last commit, or is not tracked. Only its content is compared."""
        if self.is_bare:
            return False
        try:
            now = (self.root / path).read_bytes()
        except OSError:
            return path in self.files
        return now != self.read(path)

    def user(self) -> str:
        """Return the name that git would commit with; "" when none is set."""
        try:
            return self._git("config", "--get", "user.name").decode("utf-8", "replace").strip()
        except DataError:
            return ""

    def _git(self, *arguments: str, given: bytes = b"", folder: Path | None = None) -> bytes:
        try:
            return git_bytes(folder or self.folder, *arguments, given=given)
        except DataError as error:
            if "not a git repository" in str(error):
                raise MissingError(f"folder {str(self.folder)!r} is not a git repository: check --repository") from None
            raise


_ID = re.compile(r"[0-9a-f]{7,64}")


def _names(listed: bytes) -> list[str]:
    """The names of files, each with a zero byte behind it; the first has a line end before it."""
    return [name.decode("utf-8", "replace") for name in listed.lstrip(b"\0\n").split(b"\0") if name]


def _commit(record: bytes) -> Commit | None:
    parts = record.lstrip(b"\n").split(b"\x1f", 5)
    if len(parts) != 6 or not parts[2].lstrip(b"-").isdigit():
        return None
    identity, parents, time, address, name = (part.decode("utf-8", "replace") for part in parts[:5])
    message = parts[5][:4000].decode("utf-8", "replace").strip()
    return Commit(identity, tuple(parents.split()), _time(time), address.casefold(), name.casefold(), message)


def _time(seconds: bytes | str) -> datetime:
    # git accepts any number; years beyond these are wrong clocks
    return datetime.fromtimestamp(min(max(int(seconds), 0), 253_402_300_000), UTC)


@lru_cache(maxsize=200)
def _joined(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_translated, globs)))


def _translated(glob: str) -> str:
    """A pattern of paths as a regular expression over folded paths."""
    pattern, rest = "", glob.casefold()
    while rest:
        if rest.startswith("**/"):
            pattern, rest = f"{pattern}(?:.*/)?", rest[3:]
        elif rest.startswith("**"):
            pattern, rest = f"{pattern}.*", rest[2:]
        elif rest[0] == "*":
            pattern, rest = f"{pattern}[^/]*", rest[1:]
        elif rest[0] == "?":
            pattern, rest = f"{pattern}[^/]", rest[1:]
        else:
            pattern, rest = pattern + re.escape(rest[0]), rest[1:]
    return pattern
