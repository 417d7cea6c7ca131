"""The progress bar is for a person: on a terminal, on standard error, and gone when it is done."""

import os
import pty
import subprocess
import sys

import pytest

from pratique.cli.progress import progress_bar

CODE = (
    "from pratique.cli.progress import progress_bar\nwith progress_bar('copy') as update: update(1, 2)\nprint('done')"
)


def test_a_file_gets_no_bar(capsys):
    with progress_bar("copy") as update:
        assert update is None
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_terminal_gets_a_bar_with_its_label():
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        done = subprocess.run(
            [sys.executable, "-c", CODE], stderr=theirs, capture_output=False, stdout=subprocess.PIPE, check=True
        )
        os.close(theirs)
        shown = terminal.read(100_000)
    assert done.stdout == b"done\n"
    assert b"copy" in shown
    assert b"50%" in shown
