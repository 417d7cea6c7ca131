"""Git repositories for tests, made by `git fast-import`: ten thousand commits take a second."""

import subprocess
from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
"""The time of every review in these tests."""


def git(folder, *arguments, given=None):
    return subprocess.run(
        ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-C", str(folder), *arguments],
        input=given, capture_output=True, check=True,
    ).stdout  # fmt: skip


class History:
    """Commits in the order of their numbers; every one knows its files and parents."""

    def __init__(self):
        self._parts = [b"reset refs/heads/main\n"]
        self._number = 0

    def commit(self, time, files=(), *, message="change", author="ann", parents=(), branch="main", deleted=()):
        """Add a commit and return its mark. files: path → text or bytes; a path ending in " link" is a symbolic link."""
        self._number += 1
        who = f"{author} <{author}@example.org> {int(time.timestamp())} +0000".encode()
        text = message.encode()
        parts = [
            b"commit refs/heads/%b\nmark :%d\nauthor %b\ncommitter %b\ndata %d\n%b\n"
            % (branch.encode(), self._number, who, who, len(text), text)
        ]
        for at, parent in enumerate(parents):
            parts.append(b"%b :%d\n" % (b"from" if at == 0 else b"merge", parent))
        parts += [b"D %b\n" % path.encode() for path in deleted]
        for path, content in dict(files).items():
            data = content if isinstance(content, bytes) else content.encode()
            mode = b"120000" if path.endswith(" link") else b"100644"
            parts.append(
                b"M %b inline %b\ndata %d\n%b\n" % (mode, path.removesuffix(" link").encode(), len(data), data)
            )
        self._parts.append(b"".join(parts))
        return self._number

    def make(self, folder, *, bare=False):
        """Write everything into a new repository; return its folder."""
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "-q", "-b", "main", *(["--bare"] if bare else []))
        git(folder, "fast-import", "--quiet", "--force", given=b"".join(self._parts))
        if not bare:
            git(folder, "reset", "-q", "--hard", "main")
        return folder


def repository(folder, files, *, time=NOW - timedelta(days=1), **more):
    """Make a repository of one commit."""
    history = History()
    history.commit(time, files, **more)
    return history.make(folder)
