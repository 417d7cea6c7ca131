"""The state file keeps pool and shares over a restart, and a lease until it expires."""

import json

import pytest

from pratique.balancer import state_file
from pratique.balancer.base import Lease, Pool
from pratique.balancer.state_file import StateFile
from pratique.errors import DataError, MissingError, StorageError

POOL = Pool("shop", {"r1": ("a:1", "a:2"), "r2": ("b:1",)}, {"r1": 1.0, "r2": 0.0})
SHARES = {"r1": 0.75, "r2": 0.25}
LEASE = Lease("r2", "r1", 8.0)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "balancer" / "shop.json"


@pytest.fixture
def clock(monkeypatch):
    """The clock of the lease, which a test sets."""

    class Clock:
        now = 1000.0

        def __call__(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(state_file, "elapsed_s", clock)
    return clock


def kept(file, lease=None):
    balancer = StateFile(file)
    balancer.apply(POOL)
    balancer.set_shares(SHARES, lease)
    return balancer


def test_pool_and_shares_survive_a_restart(file):
    kept(file)
    state = StateFile(file).state
    assert (state.pool.servers, state.pool.weights, state.lease) == (POOL.servers, SHARES, None)


def test_a_lease_survives_a_restart_with_its_remaining_time(file, clock):
    kept(file, LEASE)
    clock.now += 3.0
    again = StateFile(file)
    assert (again.state.lease, again.state.expires) == (LEASE, 1008.0)
    again.renew()
    clock.now += 7.9
    assert StateFile(file).state.pool.weights == SHARES


def test_a_lease_that_expires_during_a_restart_ends(file, clock):
    kept(file, LEASE)
    clock.now += 8.0
    state = StateFile(file).state
    assert (state.pool.weights, state.lease, state.lapsed, state.lapses) == (POOL.weights, None, 1008.0, 1)


def test_a_lease_of_an_earlier_boot_ends(file, clock):
    kept(file, LEASE)
    content = json.loads(file.read_text()) | {"boot": "another", "expires": 1e9}
    file.write_text(json.dumps(content))
    assert StateFile(file).state.pool.weights == POOL.weights


def test_an_expired_lease_is_logged_once_and_stored(file, clock):
    balancer = kept(file, LEASE)
    assert list(balancer.expire_lease()) == []
    clock.now += 9.0
    assert list(balancer.expire_lease()) == ["lease expired: r1 gets the share of r2 again"]
    assert list(balancer.expire_lease()) == []
    assert json.loads(file.read_text())["pool"]["weights"] == POOL.weights


def test_a_lease_expires_on_a_full_disk(file, clock, monkeypatch):
    balancer = kept(file, LEASE)
    monkeypatch.setattr(state_file, "replace_file", refuse)
    balancer.renew()
    clock.now += 9.0
    assert [line for line in balancer.expire_lease() if "No space left" in line]
    assert balancer.state.pool.weights == POOL.weights


def test_a_change_on_a_full_disk_is_refused(file, monkeypatch):
    balancer = kept(file)
    monkeypatch.setattr(state_file, "replace_file", refuse)
    with pytest.raises(StorageError, match=r"cannot write its state to .*shop\.json.*No space left"):
        balancer.set_shares({"r2": 1.0}, None)
    assert balancer.state.pool.weights == SHARES
    monkeypatch.undo()
    assert StateFile(file).state.pool.weights == SHARES


def refuse(*_, **__):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"pool": {}}', "\x00"])
def test_a_corrupt_file_is_an_error_and_not_an_empty_state(file, content):
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(DataError, match=r"shop\.json' is corrupt: delete it"):
        StateFile(file)


def test_without_a_pool_shares_cannot_be_set(file):
    balancer = StateFile(file)
    assert balancer.state is None
    with pytest.raises(MissingError, match="no pool yet"):
        balancer.set_shares(SHARES, None)
    with pytest.raises(MissingError, match="no pool yet"):
        balancer.renew()
