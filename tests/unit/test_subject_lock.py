import os
import subprocess
import sys

import pytest

from pratique.errors import BusyError
from pratique.subject_lock import Lock

TAKE_AND_DIE = """
import os, sys, pathlib
from pratique.subject_lock import Lock
Lock(pathlib.Path(sys.argv[1]), "shop").take(who="bob", run="dead", reason="hotfix")
os._exit(1)
"""


def test_the_error_names_the_holder_and_its_reason(tmp_path):
    first, second = Lock(tmp_path, "shop"), Lock(tmp_path, "shop")
    assert first.take(who="ann", run="one", reason="release of r2") is None
    assert second.holder().run == "one"
    with pytest.raises(BusyError, match=rf"run 'one' of ann \(release of r2\), process {os.getpid()} on "):
        second.take(who="bob", run="two", reason="")
    assert first.held
    assert not second.held
    first.release()


def test_each_service_has_its_own_lock(tmp_path):
    first, other = Lock(tmp_path, "shop"), Lock(tmp_path, "cart")
    first.take(who="ann", run="one", reason="")
    assert other.take(who="ann", run="two", reason="") is None
    first.release()
    other.release()


def test_a_released_lock_is_free_and_names_nobody(tmp_path):
    first, second = Lock(tmp_path, "shop"), Lock(tmp_path, "shop")
    first.take(who="ann", run="one", reason="")
    first.release()
    first.release()
    assert second.holder() is None
    assert second.abandoned() is None
    assert second.take(who="bob", run="two", reason="") is None
    second.release()


@pytest.mark.slow
def test_the_lock_of_a_dead_process_is_taken_over_and_names_it(tmp_path):
    subprocess.run([sys.executable, "-c", TAKE_AND_DIE, tmp_path], check=False)
    lock = Lock(tmp_path, "shop")
    assert lock.holder() is None
    assert lock.abandoned().run == "dead"
    dead = lock.take(who="ann", run="one", reason="")
    assert (dead.who, dead.run, dead.reason) == ("bob", "dead", "hotfix")
    lock.release()


@pytest.mark.slow
def test_new_runs_are_blocked_and_the_dead_holder_stays_named(tmp_path):
    subprocess.run([sys.executable, "-c", TAKE_AND_DIE, tmp_path], check=False)
    lock = Lock(tmp_path, "shop")
    with lock.blocking_new_runs(), pytest.raises(BusyError, match="shop is held by"):
        Lock(tmp_path, "shop").take(who="ann", run="one", reason="")
    assert lock.abandoned().run == "dead"


def test_new_runs_cannot_be_blocked_while_a_run_is_active(tmp_path):
    first = Lock(tmp_path, "shop")
    first.take(who="ann", run="one", reason="")
    with pytest.raises(BusyError, match="run 'one' of ann"), Lock(tmp_path, "shop").blocking_new_runs():
        pass
    assert first.held
    first.release()


def test_reading_leaves_no_trace(tmp_path):
    assert Lock(tmp_path / "state", "shop").holder() is None
    assert Lock(tmp_path / "state", "shop").abandoned() is None
    assert not (tmp_path / "state").exists()
