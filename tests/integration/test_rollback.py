"""The rollback runbook with real parts, but without a collector, because it needs none."""

import json
import signal
import subprocess
import sys
import time

import pytest

from pratique.errors import DataError, MissingError, UnavailableError, UsageError
from pratique.runbook.engine.run import StoppedError
from pratique.runbook.opening import open_rollback
from pratique.runbook.rollback.steps import AddToPool, Shift, StartEarlierRelease, StopOthers
from support.shop_fixture import running_shop
from support.waiting import eventually

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with running_shop(tmp_path_factory.mktemp("back"), rate=5) as shop:
        shop.part("collector").kill()
        yield shop


def promoted(shop, revision):
    """Promote a revision in its own run, without the judge."""
    if not (shop.folder / "releases" / revision).exists():
        shop.make(revision)
    run = shop.open(revision, f"to-{revision}-{time.monotonic_ns()}", config=shop.config)
    run._require_parts = lambda: None  # there is no collector
    for part in (run.check, run.start_canary, run.take_into_pool):
        part()
    journal = run.context.journal
    journal.append("begun", "roll out")
    journal.append("done", "roll out", {"decision": "promote", "reason": "a test", "end": None})
    run.conclude()
    run.record()
    return run.context.run_id


def back(shop, run_id, revision="", **given):
    return open_rollback(service="shop", revision=revision, run_id=run_id, config=shop.config, **given)


def all_steps(run):
    for part in (run.check, run.start, run.accept, run.take_into_pool, run.shift, run.retire):
        part()


def test_two_rollbacks_go_two_releases_back(shop, capsys):
    by = promoted(shop, "r2")
    promoted(shop, "r3")
    done, result = shop.run("rollback", run_id="back-1", config=shop.config, why="r3 is slow", who="ann")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (result["revision"], result["baseline"], result["outcome"]) == ("r2", "r3", "reverted")
    assert result["balancer_s"] < 30
    assert f"by run {by}" in done.stdout
    assert "the balancer took" in done.stdout
    assert shop.serving() == {"r2": 1.0}
    assert shop.running() == ["r2"]
    record = shop.ledger.releases("shop")[-1]
    assert (record.revision, record.outcome, record.who, record.why) == ("r2", "reverted", "ann", "r3 is slow")
    # r3 was rolled back: the revision before r2 is r1, and not r3 again
    done, result = shop.run("rollback", run_id="back-2", config=shop.config)
    assert (result["revision"], shop.serving(), shop.running()) == ("r1", {"r1": 1.0}, ["r1"])
    with pytest.raises(MissingError, match="no revision that served before 'r1'"):
        back(shop, "back-3").check()


def test_a_finished_run_does_nothing_when_repeated(shop):
    done, result = shop.run("rollback", run_id="back-2", config=shop.config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "already finished (reverted); nothing to do" in done.stdout
    assert result["outcome"] == "reverted"


def test_any_earlier_release_can_be_restored(shop):
    run = back(shop, "named", "r3")
    assert [candidate.revision for candidate in run.choices()][-1] == "r1"
    all_steps(run)
    assert run.verify() == "r3"
    run.record()
    assert shop.serving() == {"r3": 1.0}
    assert run.weights_history[-1][1] == {"r3": 1.0}


def test_a_target_that_cannot_be_restored_is_refused_before_anything_is_started(shop):
    shop.make("never")
    before = shop.trace()
    with pytest.raises(
        MissingError, match=r"no release 'never' of shop that has had all traffic: choose one of r2, r1, r3"
    ):
        back(shop, "refused-1", "never").check()
    with pytest.raises(UsageError, match="'r3' already has all of the traffic"):
        back(shop, "refused-2", "r3").check()
    changed = shop.folder / "releases/r2/release.json"
    text = changed.read_text()
    changed.write_text(text.replace("{", "{ ", 1))
    with pytest.raises(DataError, match=r"'r2' was released with digest .*, but it is now"):
        back(shop, "refused-3", "r2").check()
    changed.write_text(text)
    assert shop.trace()[1] == before[1]
    assert shop.result("refused-3")["exit_status"] == DataError.exit_status


def test_a_dry_run_lists_every_effect_and_changes_nothing(shop):
    before = shop.trace()
    done, _ = shop.run("rollback", run_id="dry", dry_run="true", config=shop.config, revision="r1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert shop.trace() == before
    for effect in ("r1 (sha256:", "start 1 x r1", "r1 0 %, r3 100 %", "r1 100 %, r3 0 %", "drain r3", "result.json"):
        assert effect in done.stdout


@pytest.mark.parametrize("step", [StartEarlierRelease, AddToPool, Shift])
def test_a_failure_before_the_shift_is_undone(shop, monkeypatch, step):
    before, pool = shop.trace()[1], shop.balancer.pool("shop")
    really = step.do

    def do(self, attempt):
        really(self, attempt)
        raise UnavailableError("no luck")

    monkeypatch.setattr(step, "do", do)
    with pytest.raises(UnavailableError, match="no luck"):
        all_steps(back(shop, f"fails-{step.__name__}", "r1"))
    assert shop.balancer.pool("shop") == pool
    assert shop.trace()[1] == before
    assert shop.ledger.releases("shop")[-1].outcome == "failed"


def test_a_failure_after_the_shift_leaves_the_users_on_the_target(shop, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(StopOthers, "do", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            all_steps(back(shop, "stuck", "r1"))
    assert shop.serving() == {"r1": 1.0}
    assert shop.running() == ["r1", "r3"]
    assert shop.result("stuck")["outcome"] == "reverted"
    done, result = shop.run("rollback", run_id="stuck", revision="r1", config=shop.config)
    assert (done.returncode, result["outcome"]) == (0, "reverted"), done.stdout + done.stderr
    assert shop.running() == ["r1"]


STOPS = """
import os, signal, sys
from pratique.runbook.rollback import steps as rollback_steps
from pratique.runbook.opening import open_rollback
step = getattr(rollback_steps, {step!r})
really = step.do
def do(self, attempt):
    if {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    data = really(self, attempt)
    os.kill(os.getpid(), signal.SIGKILL)
step.do = do
run = open_rollback(service="shop", revision={revision!r}, run_id={run_id!r}, config={config!r})
for part in (run.check, run.start, run.accept, run.take_into_pool, run.shift, run.retire):
    part()
"""


@pytest.mark.parametrize(
    ("step", "before"), [("StartEarlierRelease", True), ("AddToPool", False), ("Shift", False), ("StopOthers", False)]
)
def test_a_killed_run_resumes_with_the_same_id(shop, step, before):
    now = shop.baseline()
    target = "r2" if now != "r2" else "r3"
    run_id = f"killed-{step}-{before}"
    program = STOPS.format(step=step, before=before, revision=target, run_id=run_id, config=shop.config)
    process = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    [serving] = shop.serving()
    assert serving == (target if step in ("Shift", "StopOthers") else now)
    done, result = shop.run("rollback", run_id=run_id, revision=target, config=shop.config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert result["outcome"] == "reverted"
    assert shop.serving() == {target: 1.0}
    assert shop.running() == [target]
    assert shop.balancer.pool("shop").servers.keys() == {target}


@pytest.mark.parametrize("step", ["AddToPool", "StopOthers"])
def test_the_next_run_ends_a_dead_run(shop, step):
    now = shop.baseline()
    target = "r2" if now != "r2" else "r3"
    program = STOPS.format(step=step, before=False, revision=target, run_id=f"dead-{step}", config=shop.config)
    subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    run = back(shop, f"next-{step}", "r1")
    kept = target if step == "StopOthers" else now
    assert shop.balancer.pool("shop").servers.keys() == {kept}
    assert shop.running() == [kept]
    assert shop.result(f"dead-{step}")["outcome"] == ("reverted" if step == "StopOthers" else "failed")
    run.abort("enough")


def test_an_interrupted_kernel_undoes(shop, tmp_path):
    before = shop.baseline()
    target = "r2" if before != "r2" else "r3"
    waiting = tmp_path / "waiting"
    command = json.dumps([sys.executable, "-c", f"import time; open({str(waiting)!r}, 'w'); time.sleep(60)"])
    text = (
        (shop.folder / "pratique.toml")
        .read_text()
        .replace("lease_s = 2", f"lease_s = 2\nacceptance_command = {command}")
    )
    (shop.folder / "slow.toml").write_text(text)
    process = shop.papermill("rollback", revision=target, run_id="interrupted", config=shop.folder / "slow.toml")
    eventually(waiting.exists)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=250)
    eventually(lambda: shop.result("interrupted") is not None)
    assert shop.result("interrupted")["exit_status"] == StoppedError.exit_status
    assert shop.serving() == {before: 1.0}
    assert shop.running() == [before]
