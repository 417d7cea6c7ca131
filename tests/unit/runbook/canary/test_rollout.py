"""The rollout's loop, with a fake context, analysis, approver and health monitor."""

import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from pratique.runbook.canary import rollout
from pratique.runbook.canary.rollout import Rollout
from pratique.runbook.canary.traffic_split import Arms


class Parts:
    """A context, balancer, analysis, approver and health monitor without anything behind them."""

    run_id, service, who, left_s, suspect = "run-1", "shop", "ann", 60.0, False

    def __init__(self, folder):
        self.folder, self.failure, self.renewed = folder, "", []
        self.balancer = self.outbox = self
        self.ledger = SimpleNamespace(weights=lambda _: [])

    def record(self, *_, **__):
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


def rollout_of(parts, scale_out):
    return Rollout(
        parts, Arms("r1", "r2"), parts, stages=(5.0, 50.0), min_windows=0, lease_s=0.3,
        deadline_min=1, approver=parts, make_monitor=lambda: parts, time_left_s=lambda: parts.left_s, scale_out=scale_out,
    )  # fmt: skip


@pytest.mark.slow
def test_a_canary_that_fails_during_scale_out_loses_its_lease_at_once(parts):
    def scale_out(_):
        time.sleep(0.5)
        parts.failure, parts.failed_at = "r2 died", time.monotonic()
        time.sleep(1.0)

    result = rollout_of(parts, scale_out).run()
    assert (result.decision, result.reason) == ("rollback", "r2 died (at 5 %)")
    assert parts.renewed
    assert max(parts.renewed) < parts.failed_at + 0.3


def test_a_run_whose_deadline_passes_during_scale_out_ends(parts):
    def scale_out(_):
        parts.left_s = 0
        time.sleep(0.2)

    result = rollout_of(parts, scale_out).run()
    assert result.decision == "inconclusive"
    assert "deadline passed at 5 %" in result.reason
