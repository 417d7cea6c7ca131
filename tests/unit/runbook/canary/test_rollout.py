"""The rollout's loop, with a fake context, analysis, approver and health monitor."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from pratique.balancer.base import ActiveWeights
from pratique.config import Config
from pratique.errors import MissingError, UnavailableError
from pratique.runbook.canary import rollout
from pratique.runbook.canary.rollout import Rollout
from pratique.runbook.canary.traffic_split import Arms
from pratique.runbook.service.lapse import Lapse
from support.waiting import eventually


class Parts:
    """A context, balancer, analysis, approver and health monitor without anything behind them."""

    run_id, service, revision, who, left_s, suspect = "run-1", "shop", "r2", "ann", 60.0, False
    config = Config()

    def __init__(self, folder):
        self.folder, self.failure, self.renewals, self.given, self.recorded = folder, "", 0, [], []
        self.lease, self.extended_s, self.at_look, self.begun = None, 0.0, [], []
        self.balancer = self.outbox = self

    def record(self, kind, data, **_):
        self.recorded.append((kind, data))

    def record_lapse(self, last_held=None):
        return None

    def set_weights(self, _, shares, *, lease, held=None):
        if held is not None and (self.lease is None or self.lease.id != held):
            raise MissingError("it expired")
        self.given.append(shares["r2"])
        self.lease = lease

    def weights(self, _):
        if self.lease is None:
            return ActiveWeights({"r1": 1.0, "r2": 0.0})
        return ActiveWeights({}, self.lease.ttl_s, lease_id=self.lease.id)

    def renew(self, _):
        if self.lease is None:
            raise MissingError("it expired")
        self.renewals += 1

    def begin_again(self, since):
        self.begun.append(since)

    def extend(self, seconds):
        self.extended_s += seconds

    def look(self):
        if self.at_look:
            self.at_look.pop(0)()

    def look_again(self):
        return None

    def ask(self, *_):
        return "approve"

    def withdraw(self):
        pass

    start = stop = withdraw


@pytest.fixture
def parts(tmp_path, monkeypatch):
    monkeypatch.setattr(rollout, "TICK_S", 0.01)
    return Parts(tmp_path)


def rollout_of(parts, scale_out=lambda _: None, *, stages=(5.0, 50.0), on_lapse="extend"):
    return Rollout(
        parts, Arms("r1", "r2"), parts, stages=stages, min_windows=0, lease_s=0.3,
        deadline_min=1, on_lapse=on_lapse, approver=parts, make_monitor=lambda: parts, time_left_s=lambda: parts.left_s,
        extend_deadline=parts.extend, scale_out=scale_out,
    )  # fmt: skip


@pytest.mark.slow
def test_a_canary_that_fails_during_scale_out_loses_its_lease_at_once(parts):
    others = set(threading.enumerate())

    def renewing():
        return [thread for thread in set(threading.enumerate()) - others if thread.name == "pratique-lease"]

    def scale_out(_):
        eventually(lambda: parts.renewals)
        assert renewing()
        parts.failure = "r2 died"
        eventually(lambda: not renewing())

    result = rollout_of(parts, scale_out).run()
    assert (result.decision, result.reason) == ("rollback", "r2 died (at 5 %)")


def test_a_run_whose_deadline_passes_during_scale_out_ends(parts):
    def scale_out(_):
        parts.left_s = 0
        time.sleep(0.2)

    result = rollout_of(parts, scale_out).run()
    assert result.decision == "inconclusive"
    assert "deadline passed at 5 %" in result.reason


def lose_lease(parts):
    parts.lease = None


def fail(parts):
    parts.failure = "enough"


def events(parts):
    return [json.loads(line) for line in (parts.folder / "progress.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("stages", [(5.0, 50.0, 60.0), (5.0, 5.0, 50.0)])
def test_a_stage_whose_lease_expired_begins_again_although_nothing_here_noticed(parts, stages):
    """The renewer sees no error: only the balancer knows that the lease is gone."""
    parts.at_look = [lambda: None, lambda: lose_lease(parts), lambda: None, lambda: None, lambda: fail(parts)]
    assert rollout_of(parts, stages=stages).run().decision == "rollback"
    assert parts.given[:4] == [stages[0] / 100, stages[1] / 100, stages[1] / 100, stages[2] / 100]


def test_the_deadlines_are_put_off_by_the_lapse_and_the_lapse_is_reported(parts):
    now = datetime.now(UTC)
    parts.record_lapse = lambda last_held=None: (
        last_held and Lapse(("r2",), {}, now - timedelta(seconds=12), now - timedelta(seconds=12), now)
    )

    def pause():
        lose_lease(parts)
        time.sleep(0.1)

    parts.at_look = [pause, lambda: None, lambda: fail(parts)]
    rollout_of(parts).run()
    assert 0.1 <= parts.extended_s < 120
    [text] = [event["text"] for event in events(parts) if event["event"] == "lapse"]
    assert f"the lease expired at {now - timedelta(seconds=12):%H:%M:%S}, noticed at {now:%H:%M:%S}" in text
    assert "stage 5 % begins again" in text


def test_a_lapse_ends_the_run_where_the_policy_says_so(parts):
    parts.at_look = [lambda: lose_lease(parts)]
    result = rollout_of(parts, on_lapse="end").run()
    assert result.decision == "inconclusive"
    assert "which ends the release (rollout.on_lapse)" in result.reason
    assert parts.extended_s == 0


def test_a_run_that_loses_its_lease_again_and_again_fails(parts):
    parts.at_look = [lambda: lose_lease(parts)] * 9
    with pytest.raises(UnavailableError, match="the lease expired 4 times"):
        rollout_of(parts).run()


@pytest.mark.parametrize(("jump_s", "way"), [(3600.0, "forward"), (-3600.0, "back")])
def test_a_clock_that_was_set_begins_the_stage_again(parts, monkeypatch, jump_s, way):
    """The judge begins again only when the times of its windows come again."""
    jumps = [0.0, jump_s]
    monkeypatch.setattr(rollout.ClockWatch, "jump_s", lambda _: jumps.pop(0) if jumps else 0.0)
    parts.at_look = [lambda: None] * 2 + [lambda: fail(parts)]
    rollout_of(parts).run()
    assert parts.given[:2] == [0.05, 0.5]
    assert parts.given[1:3] == [0.5, 0.5]
    [data] = [data for kind, data in parts.recorded if kind == "clock"]
    asked, confirmed = (datetime.fromisoformat(data[name]) for name in ("asked", "confirmed"))
    assert (data["shares"], data["jump_s"]) == ({}, jump_s)
    assert confirmed - asked == timedelta(seconds=max(0.0, jump_s))
    assert bool(parts.begun) == (jump_s < 0)
    assert [event["text"] for event in events(parts) if event["event"] == "clock"] == [
        f"the clock was set {way} by 3,600 s; the stage begins again"
    ]


def test_a_stage_does_not_end_while_the_balancer_cannot_be_asked(parts):
    answers = parts.weights

    def silent(_):
        raise UnavailableError("no answer")

    parts.weights = silent
    parts.at_look = [lambda: None] * 5 + [lambda: setattr(parts, "weights", answers), lambda: fail(parts)]
    rollout_of(parts).run()
    assert parts.given == [0.05, 0.5]


def test_a_change_is_recorded_with_the_time_asked_for_and_the_time_confirmed(parts):
    def slow(*args, **named):
        time.sleep(0.05)
        Parts.set_weights(parts, *args, **named)

    parts.set_weights = slow
    parts.at_look = [lambda: fail(parts)]
    rollout_of(parts).run()
    [(kind, data)] = parts.recorded
    assert kind == "weight"
    asked, confirmed = (datetime.fromisoformat(data[name]) for name in ("asked", "confirmed"))
    assert confirmed - asked >= timedelta(seconds=0.05)
