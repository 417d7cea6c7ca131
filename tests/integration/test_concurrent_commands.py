"""Many commands for one service at once: each ends with 0 or one line, and what runs afterwards is one service."""

import contextlib
import subprocess
import sys

import psutil
import pytest

from pratique.subject_lock import Lock
from support.shop_fixture import running_shop
from support.waiting import eventually

pytestmark = [pytest.mark.server, pytest.mark.slow]
DONE, BUSY, UNAVAILABLE = 0, 75, 69


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with running_shop(tmp_path_factory.mktemp("shop"), rate=5) as found:
        found.make("r2")
        yield found


def start(shop, *commands):
    return [
        subprocess.Popen(
            [sys.executable, "-P", "-m", "pratique.cli", *words, "--config", shop.config],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for words in commands
    ]  # fmt: skip


def ended(processes):
    """The exit status and standard error of each."""
    said = [process.communicate(timeout=400)[1] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def parts_of(shop, name):
    """How many processes run of a part that `pratique up` starts, such as the collector."""
    found = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            labels = process.environ()
            mine = labels.get("PRATIQUE_PART") == name and labels.get("PRATIQUE_STATE") == str(shop.state.absolute())
            found += mine and process.status() != psutil.STATUS_ZOMBIE
    return found


def refused_in_one_line(said):
    return said.count("\n") == 1 and said.startswith("pratique: ") and "unexpected" not in said


def test_up_many_times_at_once_starts_one_service(shop):
    shop.pratique("down", "shop", "--config", shop.config)
    found = ended(start(shop, *[("up", "shop", "r1")] * 6))
    assert DONE in [status for status, _ in found], found
    assert all(status == DONE or (status == BUSY and refused_in_one_line(said)) for status, said in found), found
    assert shop.running() == ["r1"]
    assert shop.serving() == {"r1": 1.0}
    assert [parts_of(shop, name) for name in ("collector", "balancer")] == [1, 1]
    assert shop.ledger.verify() > 0


def test_up_and_down_at_once_end_in_one_of_both_states(shop):
    found = ended(start(shop, *[("up", "shop", "r1"), ("down", "shop")] * 4))
    allowed = {DONE, BUSY, UNAVAILABLE}
    assert all(status in allowed for status, _ in found), found
    assert all(refused_in_one_line(said) for status, said in found if status != DONE), found
    shop.pratique("up", "shop", "r1", "--config", shop.config)
    assert shop.running() == ["r1"]
    assert shop.serving() == {"r1": 1.0}
    assert [parts_of(shop, name) for name in ("collector", "balancer")] == [1, 1]
    assert shop.ledger.verify() > 0


@pytest.mark.kernel
def test_releases_at_once_run_one_and_refuse_every_other_command(shop):
    ids = ("k0", "k1")
    runs = dict(zip(ids, start(shop, *[("release", "shop", "r2", "--run-id", run_id) for run_id in ids]), strict=True))
    eventually(lambda: Lock(shop.state, "shop").holder())
    holder = Lock(shop.state, "shop").holder().run
    (loser,) = {*ids} - {holder}
    others = start(shop, ("up", "shop", "r1"), ("down", "shop"), ("rollback", "shop"), ("release", "shop", "r2"))
    found = ended([*others, runs[loser]])
    assert all(status == BUSY and f"run '{holder}'" in said for status, said in found), found
    shop.pratique("abort", holder, "--config", shop.config)
    ended([runs[holder]])
    assert shop.serving() == {"r1": 1.0}
    assert shop.running() == ["r1"]
    assert shop.ledger.verify() > 0
