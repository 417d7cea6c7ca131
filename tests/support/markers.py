"""The markers of the suite: the real program behind each, and a guard against tests that start one without its marker.

A fixture of FIXTURES brings its marker with it. Other tests carry `pytest.mark.haproxy` and so on themselves; a test
that starts such a program without the marker fails, so `make test-fast` never starts a server.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from support import influxdb
from support.docker_engine import missing as docker_missing

FIXTURES = {"engine": "docker", "influxd": "influxdb", "chromium": "browser", "visit": "browser", "ssh": "ssh"}
CHROMIUM = os.environ.get("PRATIQUE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
PROGRAMS = {
    "docker": {"dockerd": "docker.io"},
    "haproxy": {"haproxy": "haproxy"},
    "registry": {"docker-registry": "docker-registry"},
    "redis": {"redis-server": "redis-server"},
    "prometheus": {
        "prometheus": "prometheus",
        "promtool": "prometheus",
        "victoria-metrics": "victoria-metrics",
    },
    "ssh": {"/usr/sbin/sshd": "openssh-server", "socat": "socat"},
    "influxdb": {},  # it is not on the PATH: see support/influxdb.py
    "browser": {CHROMIUM or "chromium": "chromium, or name one in PRATIQUE_CHROMIUM"},
}
"""Each marker's programs, and the Debian package of each."""
REAL = (*PROGRAMS, "server", "kernel")
"""Markers of tests that start a real server; `make test-fast` leaves all of them out."""
COMMANDS = {"collect": "server", "balancer": "server", "up": "server"}
MODULES = {"pratique.runtime.supervise": "server", "ipykernel_launcher": "kernel"}
HARMLESS = ("-c", "-v", "-vv", "--version")
"""Options with which a program checks a file or prints its version, and serves nothing."""
UNMARKED = 97
"""The status of a program that a test without its marker has started."""


def missing(marker):
    """Why tests with this marker cannot run here; "" when they can."""
    if marker == "docker":
        return docker_missing()
    if marker == "influxdb":
        return influxdb.missing()
    absent = [package for program, package in PROGRAMS.get(marker, {}).items() if shutil.which(program) is None]
    return f"{marker} needs a program that is not installed: apt-get install {' '.join(absent)}" if absent else ""


def mark(item):
    """Give a test the markers of its fixtures, skip it when a program is missing, and mark it as fast when it is."""
    for fixture in item.fixturenames:
        if fixture in FIXTURES:
            item.add_marker(FIXTURES[fixture])
    for marker in {found.name for found in item.iter_markers()} & set(PROGRAMS):
        if reason := missing(marker):
            item.add_marker(pytest.mark.skip(reason=reason))
        elif marker == "influxdb" and influxdb.program() is None:
            item.add_marker(pytest.mark.timeout(influxdb.BUILD_LIMIT_S))
    if not any(item.get_closest_marker(marker) for marker in (*REAL, "slow")):
        item.add_marker("fast")


class Guard:
    """Lets a test start only the real programs that its markers name."""

    def __init__(self):
        self.markers = None  # None: outside of tests anything may start
        self.path = os.environ["PATH"]
        self.folder = Path(tempfile.mkdtemp(prefix="pratique-stubs-"))
        self.folder.chmod(0o755)
        self._start = subprocess.Popen.__init__
        for marker in PROGRAMS:
            self._write_stubs(marker)

    def install(self):
        guard, start = self, self._start

        def checked(process, args, *more, **options):
            guard.check(args)
            start(process, args, *more, **options)

        subprocess.Popen.__init__ = checked

    def remove(self):
        subprocess.Popen.__init__ = self._start
        shutil.rmtree(self.folder, ignore_errors=True)

    def enter(self, item):
        """From here on the markers of this test hold, in the processes that it starts too."""
        self.markers = {found.name for found in item.iter_markers()}
        if self.markers & set(PROGRAMS):
            self.markers.add("server")
        stubs = [str(self.folder / marker) for marker in PROGRAMS if marker not in self.markers]
        os.environ["PATH"] = ":".join([*stubs, self.path])

    def leave(self):
        self.markers = None
        os.environ["PATH"] = self.path

    def check(self, args):
        """Raise AssertionError when a command starts a server of Pratique or a kernel, and the test has no such marker."""
        marker = started_by(args)
        if marker and self.markers is not None and marker not in self.markers:
            raise AssertionError(f"this test starts {' '.join(map(str, args))}: mark it with pytest.mark.{marker}")

    def _write_stubs(self, marker):
        folder = self.folder / marker
        folder.mkdir(mode=0o755)
        for program in PROGRAMS[marker]:
            real = shutil.which(program)
            if real is None or "/" in program:
                continue
            stub = folder / program
            stub.write_text(
                f'#!/bin/sh\nfor word; do case "$word" in {"|".join(HARMLESS)}) exec {real} "$@";; esac; done\n'
                f'echo "a test without pytest.mark.{marker} has started {program}" >&2\nexit {UNMARKED}\n'
            )
            stub.chmod(0o755)


def started_by(args):
    """The marker that a command needs; "" when it starts no server."""
    words = [args] if isinstance(args, str | bytes | os.PathLike) else list(args)
    words = [os.fsdecode(word) for word in words]
    if words and Path(words[0]).name.startswith("influxd"):
        return "influxdb"
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in MODULES:
            return MODULES[word]
        if word in ("pratique", "pratique.cli") or word.endswith("/pratique"):
            return COMMANDS.get(following, "")
    return ""
