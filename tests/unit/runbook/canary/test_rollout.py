"""The rollout's own loop, on parts that do as the test says."""

import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from pratique.runbook.canary import rollout
from pratique.runbook.canary.rollout import Rollout
from pratique.runbook.canary.traffic_split import Arms


class Parts:
    """A run, balancer, watch, approver and vitals without anything behind them."""

    id, service, who, left_s, doubt = "run-1", "shop", "ann", 60.0, False

    def __init__(self, folder):
        self.folder, self.trouble, self.renewed = folder, "", []
        self.ledger = SimpleNamespace(weights=lambda _: [])

    def enter(self, *_, **__):
        return SimpleNamespace(time=datetime.now(UTC))

    def set_weights(self, *_, **__):
        pass

    def weights(self, _):
        return SimpleNamespace(shares={}, lapsed=None)

    def renew(self, _):
        self.renewed.append(time.monotonic())

    def look(self):
        return None

    look_again = look

    def ask(self, *_):
        return "approve"

    def withdraw(self):
        pass

    start = stop = withdraw


@pytest.fixture
def parts(tmp_path, monkeypatch):
    monkeypatch.setattr(rollout, "TICK_S", 0.01)
    return Parts(tmp_path)


def rollout_of(parts, widen):
    return Rollout(
        parts, parts, Arms("r1", "r2"), parts, stages=(5.0, 50.0), least_windows=0, lease_s=0.3,
        deadline_min=1, approver=parts, vitals=lambda: parts, widen=widen,
    )  # fmt: skip


def test_a_canary_that_fails_while_the_next_host_is_made_ready_loses_its_lease_at_once(parts):
    def widen(_):
        time.sleep(0.5)
        parts.trouble, parts.told = "r2 died", time.monotonic()
        time.sleep(1.0)

    ending = rollout_of(parts, widen).go()
    assert (ending.decision, ending.reason) == ("rollback", "r2 died (at 5 %)")
    assert parts.renewed
    assert max(parts.renewed) < parts.told + 0.3


def test_a_run_whose_time_is_over_while_the_next_host_is_made_ready_ends(parts):
    def widen(_):
        parts.left_s = 0
        time.sleep(0.2)

    ending = rollout_of(parts, widen).go()
    assert ending.decision == "inconclusive"
    assert "deadline passed at 5 %" in ending.reason
