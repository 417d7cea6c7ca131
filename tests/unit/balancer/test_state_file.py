"""What a balancer keeps over its death: pool and shares; a lease only as long as it would have lasted."""

import json
import time

import pytest

from pratique.balancer import state_file as keeper_module
from pratique.balancer.base import Lease, Pool
from pratique.balancer.state_file import Keeper
from pratique.errors import DataError, MissingError, StorageError

POOL = Pool("shop", {"r1": ("a:1", "a:2"), "r2": ("b:1",)}, {"r1": 1.0, "r2": 0.0})
SHARES = {"r1": 0.75, "r2": 0.25}
LEASE = Lease("r2", "r1", 8.0)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "balancer" / "shop.json"


@pytest.fixture
def clock(monkeypatch):
    """Monotonic time that a test moves on."""

    class Clock:
        now = 1000.0

        def __call__(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def kept(file, lease=None):
    keeper = Keeper(file)
    keeper.apply(POOL)
    keeper.set_shares(SHARES, lease)
    return keeper


def test_pool_and_shares_come_back(file):
    kept(file)
    state = Keeper(file).state
    assert (state.pool.servers, state.pool.weights, state.lease) == (POOL.servers, SHARES, None)


def test_a_lease_that_is_still_good_comes_back_for_what_is_left_of_it(file, clock):
    kept(file, LEASE)
    clock.now += 3.0
    again = Keeper(file)
    assert (again.state.lease, again.state.expires) == (LEASE, 1008.0)
    again.renew()
    clock.now += 7.9
    assert Keeper(file).state.pool.weights == SHARES


def test_a_lease_that_lapsed_meanwhile_does_not_come_back(file, clock):
    kept(file, LEASE)
    clock.now += 8.0
    state = Keeper(file).state
    assert (state.pool.weights, state.lease, state.lapsed, state.lapses) == (POOL.weights, None, 1008.0, 1)


def test_a_lease_of_before_the_machine_started_does_not_come_back(file, clock):
    kept(file, LEASE)
    content = json.loads(file.read_text()) | {"boot": "another", "expires": 1e9}
    file.write_text(json.dumps(content))
    assert Keeper(file).state.pool.weights == POOL.weights


def test_a_lapse_is_told_once_and_written_down(file, clock):
    keeper = kept(file, LEASE)
    assert list(keeper.lapse()) == []
    clock.now += 9.0
    assert list(keeper.lapse()) == ["lease lapsed: the share of r2 is back on r1"]
    assert list(keeper.lapse()) == []
    assert json.loads(file.read_text())["pool"]["weights"] == POOL.weights


def test_a_lapse_holds_on_a_full_disk(file, clock, monkeypatch):
    keeper = kept(file, LEASE)
    monkeypatch.setattr(keeper_module, "replace_file", refuse)
    keeper.renew()
    clock.now += 9.0
    assert [line for line in keeper.lapse() if "No space left" in line]
    assert keeper.state.pool.weights == POOL.weights


def test_on_a_full_disk_nothing_is_changed_and_it_is_told(file, monkeypatch):
    keeper = kept(file)
    monkeypatch.setattr(keeper_module, "replace_file", refuse)
    with pytest.raises(StorageError, match=r"cannot keep its state in .*shop\.json.*No space left"):
        keeper.set_shares({"r2": 1.0}, None)
    assert keeper.state.pool.weights == SHARES
    monkeypatch.undo()
    assert Keeper(file).state.pool.weights == SHARES


def refuse(*_, **__):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"pool": {}}', "\x00"])
def test_a_damaged_state_is_told_and_not_taken_for_none(file, content):
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(DataError, match=r"shop\.json' is damaged: remove it"):
        Keeper(file)


def test_without_a_pool_there_are_no_shares(file):
    keeper = Keeper(file)
    assert keeper.state is None
    with pytest.raises(MissingError, match="no pool yet"):
        keeper.set_shares(SHARES, None)
    with pytest.raises(MissingError, match="no pool yet"):
        keeper.renew()
