"""Read the fenced blocks of a documentation page, and follow them as a reader would: in one shell, in an empty folder.

A block with a title (```toml title="pratique.toml") is a file to write. In a `console` block, a line that begins with "$ "
is a command, continued after a backslash and within quotes, and the lines below it are its output. "…" stands for any text; a line of "…" alone stands for any lines. A
command must succeed, unless "$ echo $?" follows it. Blocks of other kinds are there to be read.
"""

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r'^( *)```(\w*)(?: title="([^"]+)")?[^\n]*\n(.*?)^\1```$', re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file it stands for if any, its text, and its first line in the page."""

    language: str
    title: str
    text: str
    line: int


@dataclass
class Command:
    """A command of a console block, and the output that the page shows for it."""

    text: str
    line: int
    output: list[str] = field(default_factory=list)


def pages():
    """Every page, as a path below docs/."""
    return sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def blocks(page):
    """The fenced blocks of a page below docs/, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [
        Block(
            match[2],
            match[3] or "",
            re.sub(f"^{match[1]}", "", match[4], flags=re.MULTILINE),
            text.count("\n", 0, match.start()) + 2,
        )
        for match in FENCE.finditer(text)
    ]


def commands(block):
    """The commands of a console block."""
    found: list[Command] = []
    continues = False
    for number, line in enumerate(block.text.splitlines(), start=block.line):
        if continues:
            found[-1].text += "\n" + line
        elif line.startswith("$ "):
            found.append(Command(line[2:], number))
        elif found:
            found[-1].output.append(line)
        continues = bool(found) and (continues or line.startswith("$ ")) and _continues(found[-1].text)
    return found


def _continues(text):
    return text.endswith("\\") or text.count("'") % 2 == 1


class Shell:
    """One shell in a folder; it keeps its working folder, variables and background jobs between commands."""

    def __init__(self, folder, *, env=None, isolated=False):
        """isolated: with its own network, so that no port is taken, where this machine allows it."""
        prefix = _own_network() if isolated else []
        self._process = subprocess.Popen(
            [*prefix, "bash", "--noprofile", "--norc"],
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.stdout.close()
        self._process.wait()

    def run(self, text):
        """The exit status and the output lines of a command."""
        mark = "\x01done"
        self._process.stdin.write(f"{text}\n__status=$?; printf '\\n{mark} %d\\n' $__status; (exit $__status)\n")
        self._process.stdin.flush()
        lines = []
        while True:
            line = self._process.stdout.readline()
            if not line:
                raise AssertionError(f"the shell ended in {text!r}: {lines}")
            if line.startswith(mark):
                return int(line.split()[1]), lines[:-1] if lines and not lines[-1] else lines
            lines.append(line.rstrip("\n"))


def _own_network():
    prefix = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    up = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    try:
        works = subprocess.run([*prefix, *up, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        works = False
    return [*prefix, *up] if works else []


def follow(page, folder, shell):
    """Write the page's files and run its commands; AssertionError names page and line of the first that differs."""
    for block in blocks(page):
        if block.title:
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            _follow_commands(page, commands(block), shell)


def _follow_commands(page, found, shell):
    for command, after in zip(found, [*found[1:], None], strict=True):
        status, lines = shell.run(command.text)
        where = f"docs/{page}:{command.line}: $ {command.text}\n" + "\n".join(lines)
        asked = after is not None and after.text == "echo $?"
        assert asked or status == 0, f"{where}\nexit status {status}"
        missing = first_missing(command.output, lines)
        assert missing is None, f"{where}\nthe page shows, and the command does not: {missing}"


def first_missing(shown, lines):
    """The first line that a page shows and an output does not have in that order; None when all are there.

    Without "…" lines between them, shown lines must follow each other.
    """
    at, free = 0, False
    for want in [line for line in shown if line.strip()]:
        if want.strip() == "…":
            free = True
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in want.rstrip().split("…")))
        candidates = range(at, len(lines)) if free else range(at, min(at + 1, len(lines)))
        hit = next((index for index in candidates if pattern.fullmatch(lines[index].rstrip())), None)
        if hit is None:
            return want
        at, free = hit + 1, False
        while at < len(lines) and not lines[at].strip():
            at += 1
    return None
