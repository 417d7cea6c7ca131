"""Approval between stages: each stage is asked for."""

import inspect
from types import SimpleNamespace

import ipykernel.comm.comm
import pytest

from pratique.runbook.canary.approval import SHELL_OF_COMM, Buttons, Mixed


@pytest.fixture
def buttons(monkeypatch):
    """Buttons without a screen; `open` are those that can be clicked."""
    found = Buttons()
    found.open = []

    def show(stage):
        box = SimpleNamespace(close=lambda: found.open.remove(box), stage=stage)
        found.open.append(box)
        found._text, found._shown = SimpleNamespace(value=""), box

    monkeypatch.setattr(found, "_show", show)
    return found


def test_every_stage_is_asked_for_even_with_the_same_percentage(buttons):
    approver = Mixed(set(), buttons)
    for number, stage in enumerate([5.0, 25.0, 25.0, 25.0], start=1):
        assert approver.ask(number, stage, "fine") is None
        assert [box.stage for box in buttons.open] == [stage]
        buttons._click("approve")
        assert approver.ask(number, stage, "fine") == "approve"
        assert approver.ask(number, stage, "not settled yet") == "approve"
        assert buttons.open == []


def test_a_rollout_that_starts_again_asks_again(buttons):
    assert buttons.ask(1, 5.0, "fine") is None
    buttons._click("approve")
    assert buttons.ask(1, 5.0, "fine") == "approve"
    buttons.withdraw()
    assert buttons.ask(1, 5.0, "fine") is None


def test_an_open_question_does_not_answer_another(buttons):
    assert buttons.ask(2, 25.0, "fine") is None
    assert buttons.ask(1, 5.0, "fine") is None
    assert [box.stage for box in buttons.open] == [5.0]


def test_ipykernel_still_keeps_the_shell_of_a_comm_in_this_attribute():
    """The attribute is private: if this fails, check approval.py against the new version of ipykernel."""
    assert f"self.{SHELL_OF_COMM} = " in inspect.getsource(ipykernel.comm.comm)
