"""The end of a rollout: nothing is stopped before the winner is seen to serve."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from pratique.balancer.base import ActiveWeights, Pool
from pratique.errors import UnavailableError
from pratique.runbook.canary.traffic_split import arms_of
from pratique.runbook.release.context import Found
from pratique.runbook.release.steps import Conclude, Start, servers_of
from pratique.runbook.rollback.steps import Retire
from pratique.runbook.service.context import Surroundings
from pratique.runtime.base import Instance

OLD = Instance("1", "shop", "r1", "up", "baseline", "h:1", datetime(2026, 11, 21, tzinfo=UTC))
NEW = Instance("2", "shop", "r2", "one", "canary", "h:2", datetime(2026, 11, 21, tzinfo=UTC))


class Parts(Surroundings):
    """An engine and a balancer in memory. dies_after: how many changes of shares the canary lives through."""

    runbook, service, winner, decision = "release", "shop", "r2", "promote"
    steps = identity = time_limit = title = revision = outcome = result = newcomers = None

    def __init__(self, *, dies_after=99):
        self.running, self.shares_set, self.dies_after = [OLD, NEW], [], dies_after
        self.current = Pool("shop", {"r1": ("h:1",), "r2": ("h:2",)}, {"r1": 0.5, "r2": 0.5})
        self.run = SimpleNamespace(
            id="one", require_time=lambda: None, note=lambda *_: None, undoing=False, enter=lambda *_, **__: None
        )
        self.settings = SimpleNamespace(runtime=SimpleNamespace(readiness_timeout_s=1, drain_s=0))
        self.back, self.asked, self.noted = SimpleNamespace(target="r2"), SimpleNamespace(revision="r2"), {}
        self.run.journal = SimpleNamespace(data=lambda _: self.noted)
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


def test_a_canary_that_serves_is_promoted_and_the_baseline_stopped():
    parts = Parts()
    Conclude(parts).do({})
    assert (parts.running, parts.current.servers) == ([NEW], {"r2": ("h:2",)})


@pytest.mark.parametrize("noted", [{}, {"winner": "r2"}])
def test_a_canary_that_is_gone_is_not_promoted(noted):
    parts = Parts()
    parts.running = [OLD]
    with pytest.raises(UnavailableError, match="r2 does not run at h:2"):
        Conclude(parts).do(noted)
    assert (parts.running, parts.shares_set) == ([OLD], [])


def test_a_canary_that_breaks_under_all_of_the_traffic_leaves_the_baseline_running():
    parts = Parts(dies_after=1)
    with pytest.raises(UnavailableError, match="r2 does not run at h:2"):
        Conclude(parts).do({})
    assert parts.running == [OLD]


def test_going_back_to_what_is_gone_by_now_leaves_the_others_running():
    parts = Parts()
    parts.running, parts.current = [OLD], Pool("shop", parts.current.servers, {"r1": 0.0, "r2": 1.0})
    with pytest.raises(UnavailableError, match="r2 does not run at h:2"):
        Retire(parts).do({})
    assert (parts.running, set(parts.current.servers)) == ([OLD], {"r1", "r2"})


def test_a_canary_that_users_still_go_to_is_not_stopped():
    parts = Parts()
    parts.current = Pool("shop", {"r2": ("h:2",)}, {"r2": 1.0})
    with pytest.raises(UnavailableError, match="r2 still gets traffic"):
        Start(parts).undo({})
    parts.current, parts.noted = None, {"winner": "r2"}
    with pytest.raises(UnavailableError, match="HAProxy does not answer"):
        Start(parts).undo({})
    assert parts.running == [OLD, NEW]
    parts.noted = {}  # what it had was lent
    Start(parts).undo({})
    assert parts.running == [OLD]


def test_a_fresh_baseline_does_not_take_the_canarys_place_in_the_draw():
    fresh = Instance("3", "shop", "r1", "one", "baseline", "h:3", NEW.started)
    context = SimpleNamespace(
        arms=arms_of("r1", "r2", fresh=True), found=Found("r1", ("h:1",), "", ""), mine=lambda: [NEW, fresh]
    )
    servers = servers_of(context)
    assert list(servers)[-1] == "r2"
    assert list(servers.values()) == [("h:1",), ("h:3",), ("h:2",)]
