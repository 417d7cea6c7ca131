"""The release runbook with a real collector, balancer, processes, store, judge, notebook and watchdog."""

import contextlib
import hashlib
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from pratique.errors import BusyError, MissingError, UnavailableError, UsageError
from pratique.runbook.engine.run import StoppedError
from pratique.runbook.release.steps import AddToPool, Conclude, RollOut, StartCanary
from support.shop_fixture import running_shop
from support.waiting import eventually

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with running_shop(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


def test_a_good_release_is_promoted(shop):
    shop.make("good", failing=0.0)
    done, result = shop.release(revision="good", run_id="good", config=shop.config, why="a test", who="ann")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (result["verdict"], result["outcome"], result["baseline"]) == ("promote", "promoted", "r1")
    assert shop.serving() == {"good": 1.0}
    assert shop.running() == ["good"]
    assert Path(result["report"]).exists()
    [entry] = shop.ledger.entries("shop", "report", "good")
    assert entry.data["sha256"] == hashlib.sha256(Path(result["report"]).read_bytes()).hexdigest()
    record = shop.ledger.releases("shop")[-1]
    assert (record.revision, record.outcome, record.who, record.why) == ("good", "promoted", "ann", "a test")
    assert [change.shares.get("good") for change in shop.ledger.weights("shop", record.start)][-4:] == [
        0.2,
        0.5,
        1.0,
        1.0,
    ]
    progress = [json.loads(line) for line in (shop.state / "runs/good/progress.jsonl").read_text().splitlines()]
    looks = [line for line in progress if line["event"] == "look"]
    assert looks[-1]["verdict"] == "promote"
    assert looks[-1]["requests"].keys() == {"r1", "good"}
    assert looks[-1]["guards"]["5xx"]["state"] == "met"
    assert all(line["text"] in done.stdout for line in progress)
    assert "content compared with r1: " in done.stdout
    shop.ledger.verify()


def test_a_finished_run_does_nothing_when_repeated(shop):
    files, instances = shop.trace()
    done, result = shop.release(revision="good", run_id="good", config=shop.config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "already finished (promoted); nothing to do" in done.stdout
    assert result["outcome"] == "promoted"
    again, running = shop.trace()
    assert running == instances
    assert {k: v for k, v in again.items() if not k.endswith(".ipynb")} == {
        k: v for k, v in files.items() if not k.endswith(".ipynb")
    }


def test_an_old_revision_can_be_released_again(shop):
    run = shop.open("r1", "back")
    assert run.check().baseline == "good"
    run.abort("enough")


def test_a_bad_release_is_rolled_back_under_plain_papermill(shop):
    before = shop.baseline()
    shop.make("bad", failing=0.5)
    process = shop.papermill(revision="bad", run_id="bad", config=shop.config)
    assert process.wait(timeout=250) == 0
    result = shop.result("bad")
    assert (result["verdict"], result["outcome"], result["exit_status"]) == ("rollback", "rolled back", 1)
    assert shop.serving() == {before: 1.0}
    assert shop.running() == [before]


def test_a_fresh_baseline_is_compared_and_removed(shop):
    before = shop.baseline()
    shop.make("fresh", failing=0.5)
    run = shop.open("fresh", "fresh", config=shop.config, baseline="fresh")
    run.check()
    run.start_canary()
    assert set(run.take_into_pool()) == {before, f"{before}-fresh", "fresh"}
    assert run.roll_out().startswith("rollback")
    assert run.verdict.requests.keys() == {f"{before}-fresh", "fresh"}
    run.conclude()
    assert run.verify() == before
    run.record()
    assert shop.running() == [before]
    assert len(shop.runtime.list("shop")) == 1


def test_a_dry_run_lists_every_effect_and_changes_nothing(shop):
    shop.make("dry")
    before = shop.trace()
    done, _ = shop.release(revision="dry", dry_run="true", config=shop.config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert shop.trace() == before
    for effect in (
        "start 1 x dry as canary",
        "dry 20 %",
        "dry 50 %",
        "dry 100 %",
        "result.json",
        "journal.jsonl",
        "sha256:",
    ):
        assert effect in done.stdout


def test_a_killed_kernel_returns_the_traffic_and_the_same_id_resumes(shop):
    before = shop.baseline()
    shop.make("killed")
    process = shop.papermill(revision="killed", run_id="killed", config=shop.patient)
    eventually(lambda: shop.stage("killed"))
    assert shop.serving()["killed"] > 0
    [kernel] = [child for child in psutil.Process(process.pid).children() if "ipykernel" in " ".join(child.cmdline())]
    kernel.kill()
    killed = time.time()
    eventually(lambda: shop.serving() == {before: 1.0})
    assert shop.balancer.weights("shop").lapsed.timestamp() < killed + 10
    process.wait(timeout=250)
    assert shop.running() == sorted([before, "killed"])  # nothing was undone: the same id can resume
    done, result = shop.release(revision="killed", run_id="killed", config=shop.config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert result["outcome"] == "promoted"
    assert "resumed; " in done.stdout
    assert "Start the canary: already done in run 'killed'" in done.stdout
    assert "in an earlier process of this run" in done.stdout
    assert shop.serving() == {"killed": 1.0}
    assert shop.running() == ["killed"]
    assert [entry.kind for entry in shop.ledger.entries("shop", run="killed")].count("lapse") == 1
    assert shop.ledger.releases("shop")[-1].outcome == "promoted"


def test_without_a_verdict_at_the_deadline_the_canary_is_removed(shop):
    before = shop.baseline()
    shop.make("late")
    run = shop.open("late", "late", deadline_min=30)
    run.check()
    run.start_canary()
    run.take_into_pool()

    def let_the_deadline_pass():
        eventually(lambda: shop.serving().get("late", 0) > 0)
        run._run.extend_deadline(-run._run.time_left_s())

    threading.Thread(target=let_the_deadline_pass).start()
    assert run.roll_out().startswith("inconclusive: the run's deadline passed")
    run.conclude()
    assert run.verify() == before
    run.record()
    assert (shop.result("late")["outcome"], shop.result("late")["exit_status"]) == ("inconclusive", 2)
    assert shop.running() == [before]


def test_an_unknown_parameter_is_refused_under_plain_papermill(shop):
    process = shop.papermill(revision="killed", stage="5", run_id="typo", config=shop.config)
    assert process.wait(timeout=250) != 0
    assert "has no parameter 'stage'" in (shop.folder / "out.ipynb").read_text()
    assert not (shop.state / "runs/typo").exists()


def test_sigterm_to_papermill_undoes(shop):
    before = shop.baseline()
    shop.make("term")
    process = shop.papermill(revision="term", run_id="term", config=shop.patient)
    eventually(lambda: shop.stage("term"))
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=250)
    eventually(lambda: shop.result("term") is not None)
    assert shop.result("term")["exit_status"] == StoppedError.exit_status
    assert shop.serving() == {before: 1.0}
    assert shop.running() == [before]


def test_ctrl_c_on_the_command_line_undoes(shop):
    before = shop.baseline()
    shop.make("cancel")
    words = ["-p", "service", "shop", "-p", "revision", "cancel", "-p", "run_id", "cancel", "--config", shop.patient]
    process = subprocess.Popen(
        [sys.executable, "-m", "pratique.cli", "run", "release", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: shop.stage("cancel"))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=250)
    assert process.returncode == 130, said
    assert shop.result("cancel")["outcome"] == "failed"
    assert shop.serving() == {before: 1.0}
    assert shop.running() == [before]


@pytest.mark.parametrize("step", [StartCanary, AddToPool, RollOut, Conclude])
def test_a_step_that_fails_at_its_end_is_undone_with_all_earlier_steps(shop, monkeypatch, step):
    before, revision = shop.baseline(), f"fails-{step.key.replace(' ', '-')}"
    shop.make(revision, failing=0.0)
    really = step.do

    def do(self, attempt):
        really(self, attempt)
        raise UnavailableError("no luck")

    monkeypatch.setattr(step, "do", do)
    run = shop.open(revision, revision, config=shop.config)
    with pytest.raises(UnavailableError, match="no luck"):
        all_steps(run)
    assert shop.serving() == {before: 1.0}
    assert shop.running() == [before]
    assert shop.balancer.pool("shop").servers.keys() == {before}
    assert shop.result(revision)["exit_status"] == UnavailableError.exit_status
    assert shop.ledger.releases("shop")[-1].outcome == "failed"


def all_steps(run):
    for part in (run.check, run.start_canary, run.take_into_pool, run.roll_out, run.conclude):
        part()


def test_an_error_in_the_judge_restores_the_baseline(shop, monkeypatch):
    before = shop.baseline()
    shop.make("judge-breaks")
    run = shop.open("judge-breaks", "judge-breaks")
    run.check()
    run.start_canary()
    run.take_into_pool()
    monkeypatch.setattr("pratique.runbook.canary.analysis.Judge.verdict", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.roll_out()
    assert shop.serving() == {before: 1.0}
    assert shop.running() == [before]
    assert shop.result("judge-breaks")["exit_status"] == 70


def test_the_error_of_a_locked_service_names_its_holder(shop):
    shop.make("held")
    run = shop.open("held", "held", who="ann", why="hotfix of 17:00")
    with pytest.raises(BusyError, match=r"run 'held' of ann \(hotfix of 17:00\), process"):
        shop.open("held", "second")
    run.abort("enough")


def test_up_is_refused_while_a_run_is_active(shop):
    shop.make("r8")
    held = shop.open("r8", "up-1")
    before = shop.running()
    done = shop.pratique("up", "shop", shop.baseline(), "--config", shop.config, check=False)
    held.abort("enough")
    assert done.returncode >= 64
    assert "shop is held by run 'up-1'" in done.stderr
    assert shop.running() == before


def test_up_keeps_a_serving_instance_when_another_does_not_become_ready(shop):
    first = shop.baseline()
    serving, *_ = shop.runtime.list("shop")
    text = Path(shop.config).read_text()
    for old, new in (
        ("drain_s = 2", 'drain_s = 2\ninstances = 2\nreadiness_path = "/never"'),
        ("readiness_timeout_s = 60", "readiness_timeout_s = 1"),
    ):
        assert old in text
        text = text.replace(old, new)
    more = shop.folder / "more.toml"
    more.write_text(text)
    done = shop.pratique("up", "shop", first, "--config", str(more), check=False)
    assert done.returncode >= 64
    assert [instance.id for instance in shop.runtime.list("shop")] == [serving.id]


def test_the_next_run_removes_the_canary_of_a_dead_run(shop):
    before = shop.baseline()
    shop.make("left")
    shop.make("next")
    process = shop.papermill(revision="left", run_id="left", config=shop.patient)
    eventually(lambda: shop.stage("left"))
    for child in psutil.Process(process.pid).children():
        child.kill()
    process.wait(timeout=250)
    run = shop.open("next", "next")
    assert shop.running() == [before]
    assert shop.result("left")["outcome"] == "failed"
    run.check()
    run.abort("enough")


def test_changed_content_under_an_old_name_is_refused(shop):
    shop.make("changed")
    run = shop.open("changed", "changed-1")
    run.check()
    run.start_canary()
    run.abort("enough")
    (shop.folder / "releases/changed/release.json").write_text("{}")
    with pytest.raises(UsageError, match="a changed release needs a new revision name"):
        shop.open("changed", "changed-2").check()


def test_a_release_that_never_ran_can_be_corrected_under_its_name(shop):
    shop.make("corrected")
    run = shop.open("corrected", "corrected-1")
    run.check()
    run.abort("enough")
    assert shop.ledger.binding("shop", "corrected") is None
    release = shop.folder / "releases/corrected/release.json"
    release.write_text(release.read_text().replace("\n", "") + "\n")
    run = shop.open("corrected", "corrected-2")
    run.check()
    run.abort("enough")


def test_missing_things_are_errors_before_anything_is_started(shop):
    with pytest.raises(MissingError, match="no release 'nowhere'"):
        shop.open("nowhere", "nowhere").check()


def test_a_dead_collector_stops_a_rollout(shop):
    before = shop.baseline()
    shop.make("blind")
    run = shop.open("blind", "blind")
    run.check()
    run.start_canary()
    run.take_into_pool()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("PRATIQUE_PART") == "collector" and str(shop.folder) in " ".join(
                process.cmdline()
            ):
                process.kill()
    with pytest.raises(UnavailableError, match="the collector is not running"):
        run.roll_out()
    assert shop.serving() == {before: 1.0}
    with pytest.raises(UnavailableError, match="the collector is not running"):
        shop.open("blind", "blind-2").check()
