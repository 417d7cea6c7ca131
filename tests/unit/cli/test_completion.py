"""Completion as bash and zsh do it: a real shell at a terminal, the Tab key, and the resulting line."""

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import sys
import time
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from pratique.cli import pratique
from pratique.ledger import open_ledger

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "set +o history; bind 'set enable-bracketed-paste off'"),
    "zsh": (["zsh", "-f", "-i"], "bindkey -e; unset zle_bracketed_paste; autoload -Uz compinit; compinit -u -D"),
}
SERVICES = "[services.shop]\n[services.shed.runtime]\nkind = 'docker'\ndocker.image = 'shed'\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two services; the shop has `alpha` and `beta` as folders, and `gamma` in the ledger only."""
    made = tmp_path_factory.mktemp("completion")
    (made / "pratique.toml").write_text(SERVICES)
    (made / "other.toml").write_text("[services.bakery]\n")
    (made / "broken.toml").write_text("[services")
    (made / "xyz.ipynb").write_text("{}")
    for revision in ("alpha", "beta"):
        (made / "releases" / revision).mkdir(parents=True)
    for service, revision in (("shop", "gamma"), ("shed", "delta")):
        open_ledger(made / ".pratique").append("release", service, revision=revision, data={"event": "first"})
    return made


class Shell:
    """An interactive shell with completion turned on as the how-to page says."""

    def __init__(self, name, folder):
        command, setup = SHELLS[name]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(command[0], command, {"PATH": path, "TERM": "vt100", "HOME": str(folder), "LANG": "C.UTF-8"})
        self.output = ""
        self.send(f"{setup}\r")
        self.send(f'eval "$(_PRATIQUE_COMPLETE={name}_source pratique)"; echo rea""dy\r')
        self.read(r"\nready\r")

    def send(self, text):
        os.write(self.terminal, text.encode())

    def read(self, pattern):
        """Wait for output that matches."""
        deadline = time.monotonic() + 60
        while (found := re.search(pattern, self.output)) is None:
            assert time.monotonic() < deadline, self.output
            if select.select([self.terminal], [], [], 1)[0]:
                self.output += os.read(self.terminal, 65536).decode()
        self.output = self.output[found.end() :]
        return found

    def complete(self, typed):
        """The line after Tab: it is printed by the shell, after `echo` was put in front of it. zsh takes its last space away again."""
        self.send(f"{typed}\t\x01echo 'line:\x05'\r")
        return self.read(r"\nline:([^\r\n]*)\r")[1].rstrip()

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


@pytest.fixture(scope="module", params=SHELLS)
def shell(request, folder):
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed: apt-get install {request.param}")
    made = Shell(request.param, folder)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("pratique rel", "pratique release"),
        ("pratique status sho", "pratique status shop"),
        ("pratique release shop al", "pratique release shop alpha"),
        ("pratique rollback shop ga", "pratique rollback shop gamma"),
        ("pratique compare shop alpha b", "pratique compare shop alpha beta"),
        ("pratique rollback shed d", "pratique rollback shed delta"),
        ("pratique run ro", "pratique run rollback"),
        ("pratique run xy", "pratique run xyz.ipynb"),
        ("pratique release shop alpha --dry", "pratique release shop alpha --dry-run"),
        ("pratique release shop alpha --approval au", "pratique release shop alpha --approval automatic"),
        ("pratique status --config other.toml b", "pratique status --config other.toml bakery"),
        ("pratique status --config broken.toml b", "pratique status --config broken.toml b"),
        ("pratique status nothing", "pratique status nothing"),
    ],
)
@pytest.mark.slow
def test_a_shell_completes_the_line(shell, typed, line):
    assert shell.complete(typed) == line


def completions(folder, monkeypatch, *words):
    """Return the completions of the last word."""
    monkeypatch.chdir(folder)
    complete = ShellComplete(pratique, {}, "pratique", "_PRATIQUE_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["status", ""], ["shed", "shop"]),
        (["incident", "sh"], ["shed", "shop"]),
        (["watch", ""], ["shed", "shop"]),
        (["release", "shop", ""], ["alpha", "beta", "gamma"]),
        (["release", "shed", ""], ["delta"]),
        (["release", "unknown", ""], []),
        (["import", "--service", ""], ["shed", "shop"]),
        (["logs", "shop", "--revision", ""], ["alpha", "beta", "gamma"]),
        (
            ["run", ""],
            [
                "canary_report",
                "doctor",
                "incident",
                "maturity_review",
                "release",
                "release_diff",
                "release_history",
                "rollback",
                "scheduled_job",
            ],
        ),
        (["status", "--config", "broken.toml", ""], []),
        (["release", "../shop", ""], []),
    ],
)
def test_the_names_that_are_offered(folder, monkeypatch, words, offered):
    assert completions(folder, monkeypatch, *words) == offered


def test_completion_leaves_no_trace(tmp_path, monkeypatch):
    (tmp_path / "pratique.toml").write_text(SERVICES)
    completions(tmp_path, monkeypatch, "release", "shop", "")
    assert [path.name for path in tmp_path.iterdir()] == ["pratique.toml"]


def test_every_argument_that_names_something_is_completed():
    completed = {
        name: {argument.name: argument._custom_shell_complete for argument in command.params if isinstance(argument, click.Argument)}
        for name, command in pratique.commands.items()
    }  # fmt: skip
    for name, arguments in completed.items():
        for argument, complete in arguments.items():
            assert complete is not None or (name, argument) in {
                ("import", "files"),
                ("init", "service"),
                ("approve", "stage"),
                ("answer", "answer"),  # completed by its choices
                ("lab", "folder"),
                ("job", "command"),
            }
