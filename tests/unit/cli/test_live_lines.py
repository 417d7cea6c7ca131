"""Lines of a run, on a terminal and elsewhere."""

import os

import pytest

from pratique.cli.live_lines import ERASE, LiveLines

LOOK = "    14:02:10  5 %  window 3 of 6  requests r1 9,310 r2 1,020  evidence 12.4 of 100  → continue"


@pytest.fixture
def printed(capsys, monkeypatch):
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((40, 24)))

    def by(*lines, terminal):
        shown = LiveLines(str, terminal=terminal)
        for line in lines:
            shown(line)
        shown.close()
        return capsys.readouterr().out

    return by


def test_a_look_replaces_the_one_before_on_a_terminal_and_fits_into_its_width(printed):
    cut = LOOK[:38] + "…"
    assert printed("Roll out", LOOK, LOOK, "    stage 25 %", terminal=True) == (
        f"Roll out\n{cut}{ERASE}{cut}\n    stage 25 %\n"
    )


def test_elsewhere_every_line_stays_whole(printed):
    assert printed("Roll out", LOOK, LOOK, terminal=False) == f"Roll out\n{LOOK}\n{LOOK}\n"


def test_the_last_look_ends_with_a_line_end(printed):
    assert printed(LOOK, terminal=True).endswith("…\n")
