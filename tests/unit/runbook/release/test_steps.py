"""The end of a rollout: nothing is stopped before the winner is ready."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from pratique.balancer.base import ActiveWeights, Pool
from pratique.errors import UnavailableError
from pratique.runbook.canary.traffic_split import arms_of
from pratique.runbook.engine.step import Attempt
from pratique.runbook.release.context import ReleaseContext, ReleasePlan
from pratique.runbook.release.steps import Conclude, StartCanary
from pratique.runbook.rollback.steps import StopOthers
from pratique.runbook.service.context import ServiceContext
from pratique.runtime.base import Instance

OLD = Instance("1", "shop", "r1", "up", "baseline", "h:1", datetime(2026, 11, 21, tzinfo=UTC))
NEW = Instance("2", "shop", "r2", "one", "canary", "h:2", datetime(2026, 11, 21, tzinfo=UTC))


class Parts(ServiceContext):
    """An engine and a balancer in memory. dies_after: how many changes of shares the canary survives."""

    runbook, service, revision, winner, decision, run_id = "release", "shop", "r2", "r2", "promote", "one"
    identity = time_limit = title = outcome = reason = exit_status = result = new_instances = None

    def __init__(self, *, dies_after=99):
        self.running, self.shares_set, self.dies_after = [OLD, NEW], [], dies_after
        self.current = Pool("shop", {"r1": ("h:1",), "r2": ("h:2",)}, {"r1": 0.5, "r2": 0.5})
        self.outbox = SimpleNamespace(record_change=lambda *_, **__: None)
        self.ledger = SimpleNamespace(latest_shares=lambda _: None)
        self.settings = SimpleNamespace(runtime=SimpleNamespace(readiness_timeout_s=1, drain_s=0))
        self.plan, self.noted = SimpleNamespace(target="r2"), {}
        self.journal = SimpleNamespace(data=lambda _: self.noted)
        self.runtime = self.balancer = self

    def list(self, _):
        return list(self.running)

    def wait_ready(self, instance, *, deadline_s):
        assert instance in self.running

    def stop(self, instance, *, drain_s=0, keep=""):
        found = [instance] if isinstance(instance, Instance) else instance
        self.running = [i for i in self.running if i not in found]

    def pool(self, _):
        return self.current

    def weights(self, _):
        if self.current is None:
            raise UnavailableError("HAProxy does not answer")
        return ActiveWeights(self.current.weights)

    def apply(self, pool):
        self.current = pool

    def set_weights(self, _, shares):
        self.current = Pool("shop", self.current.servers, dict(shares))
        self.shares_set.append(dict(shares))
        if len(self.shares_set) >= self.dies_after:
            self.running.remove(NEW)


def attempt(noted=None):
    return Attempt(
        noted or {},
        note=lambda _: None,
        time_left_s=lambda: 60.0,
        require_time=lambda: None,
        extend_deadline=lambda _: None,
    )


def test_a_ready_canary_is_promoted_and_the_baseline_stopped():
    parts = Parts()
    Conclude(parts).do(attempt())
    assert (parts.running, parts.current.servers) == ([NEW], {"r2": ("h:2",)})


@pytest.mark.parametrize("noted", [{}, {"winner": "r2"}])
def test_a_canary_that_is_gone_is_not_promoted(noted):
    parts = Parts()
    parts.running = [OLD]
    with pytest.raises(UnavailableError, match="r2 no longer runs at h:2"):
        Conclude(parts).do(attempt(noted))
    assert (parts.running, parts.shares_set) == ([OLD], [])


def test_a_canary_that_breaks_under_all_of_the_traffic_leaves_the_baseline_running():
    parts = Parts(dies_after=1)
    with pytest.raises(UnavailableError, match="r2 no longer runs at h:2"):
        Conclude(parts).do(attempt())
    assert parts.running == [OLD]


def test_a_rollback_target_that_is_gone_leaves_the_others_running():
    parts = Parts()
    parts.running, parts.current = [OLD], Pool("shop", parts.current.servers, {"r1": 0.0, "r2": 1.0})
    with pytest.raises(UnavailableError, match="r2 no longer runs at h:2"):
        StopOthers(parts).do(attempt())
    assert (parts.running, set(parts.current.servers)) == ([OLD], {"r1", "r2"})


def test_a_canary_that_still_gets_traffic_is_not_stopped():
    parts = Parts()
    parts.current = Pool("shop", {"r2": ("h:2",)}, {"r2": 1.0})
    with pytest.raises(UnavailableError, match="r2 still gets traffic"):
        StartCanary(parts).undo({})
    parts.current, parts.noted = None, {"winner": "r2"}
    with pytest.raises(UnavailableError, match="HAProxy does not answer"):
        StartCanary(parts).undo({})
    assert parts.running == [OLD, NEW]
    parts.noted = {}  # its traffic was on a lease
    StartCanary(parts).undo({})
    assert parts.running == [OLD]


def test_the_canary_comes_last_in_the_pool():
    fresh = Instance("3", "shop", "r1", "one", "baseline", "h:3", NEW.started)
    context = SimpleNamespace(
        arms=arms_of("r1", "r2", fresh=True),
        plan=ReleasePlan("r1", ("h:1",), "", ""),
        own_instances=lambda: [NEW, fresh],
    )
    servers = ReleaseContext.servers(context)
    assert list(servers)[-1] == "r2"
    assert list(servers.values()) == [("h:1",), ("h:3",), ("h:2",)]
