"""Colours of verdicts and states: when they are shown, and which words have one."""

import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from pratique.cli.colours import COLOURS, colour_mode, paint, paint_phrase, paint_start
from pratique.ledger import ReleaseRecord
from pratique.ledger.text import releases_table

RED, GREEN, YELLOW, RESET = "\x1b[31m\x1b[1m", "\x1b[32m\x1b[1m", "\x1b[33m\x1b[1m", "\x1b[0m"


@pytest.mark.parametrize(
    ("environ", "mode"),
    [
        ({}, None),
        ({"TERM": "xterm"}, None),
        ({"TERM": "dumb"}, False),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, None),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, None),
        ({"FORCE_COLOR": ""}, None),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_the_environment_decides_over_the_terminal(environ, mode):
    assert colour_mode(environ) is mode


@pytest.mark.parametrize(
    ("text", "painted"),
    [
        ("promoted", f"{GREEN}promoted{RESET}"),
        ("ROLLBACK", f"{RED}ROLLBACK{RESET}"),
        ("failed  ", f"{RED}failed  {RESET}"),
        ("r1", "r1"),
        ("", ""),
    ],
)
def test_a_state_is_painted_and_other_text_is_not(text, painted):
    assert paint(text) == painted


@pytest.mark.parametrize(
    ("line", "painted"),
    [
        ("PROMOTE: every guard is met", f"{GREEN}PROMOTE{RESET}: every guard is met"),
        ("rolled back: 5xx is worse", f"{RED}rolled back{RESET}: 5xx is worse"),
        ("  worse         5xx  2.9x", f"  {RED}worse{RESET}         5xx  2.9x"),
        ("inconclusive", f"{YELLOW}inconclusive{RESET}"),
        ("problem  store.url  is missing", f"{RED}problem{RESET}  store.url  is missing"),
        ("failedtoday r1", "failedtoday r1"),
        ("the run failed", "the run failed"),
    ],
)
def test_only_a_state_at_the_start_of_a_line_is_painted(line, painted):
    assert paint_start(line) == painted


def test_a_phrase_is_painted_where_it_stands():
    assert paint_phrase("collector  not running: x", "not running") == f"collector  {RED}not running{RESET}: x"


def test_every_state_has_a_colour_that_is_readable_on_light_and_dark():
    assert set(COLOURS.values()) == {"red", "green", "yellow"}


def release(outcome, why=""):
    start = datetime(2026, 11, 20, tzinfo=UTC)
    return ReleaseRecord(
        "shop", "r2", "r1", "run", "sha256:0", "ann", why, start, end=start + timedelta(minutes=3), outcome=outcome
    )


def test_the_releases_are_aligned_with_and_without_colours():
    found = [release("promoted"), release("rolled back", why="failed")]
    plain, painted = releases_table(found), releases_table(found, paint=paint)
    assert f"{GREEN}promote {RESET}" in painted
    assert f"{RED}rollback{RESET}" in painted
    assert painted.count(RESET) == 2
    for code in (RED, GREEN, RESET):
        painted = painted.replace(code, "")
    assert painted == plain


def printed(*, terminal, **environ):
    """What `pratique status` writes of a service without any part, to a terminal or to a pipe."""
    keep = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    reader, writer = pty.openpty() if terminal else os.pipe()
    command = [sys.executable, "-m", "pratique.cli", "status", "shop"]
    process = subprocess.Popen(command, stdout=writer, stderr=writer, env=keep | {"TERM": "xterm"} | environ)
    os.close(writer)
    found = b""
    while True:
        try:
            part = os.read(reader, 65536)
        except OSError:  # a terminal whose other side is closed
            break
        if not part:
            break
        found += part
    os.close(reader)
    assert process.wait(60) == 0
    return found.decode()


@pytest.mark.parametrize(
    ("terminal", "environ", "coloured"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
        (False, {"FORCE_COLOR": "1"}, True),
    ],
)
@pytest.mark.slow
def test_colours_reach_a_terminal_only(terminal, environ, coloured, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pratique.toml").write_text("[services.shop]\n")
    found = printed(terminal=terminal, **environ)
    assert "not running" in found
    assert ("\x1b[" in found) is coloured
