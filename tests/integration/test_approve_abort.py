"""Runs that another process approves, rolls back and stops, with the whole shop behind them."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from pratique.runbook.canary.answers import read_question
from support.receivers import web_receiver
from support.shop_fixture import running_shop
from support.waiting import eventually

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with running_shop(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


def start(shop, revision, **options):
    """Start a release in its own process, as another terminal would."""
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    command = ["release", "shop", shop.make(revision), "--run-id", revision, "--config", shop.config, *words]
    return subprocess.Popen(
        [sys.executable, "-m", "pratique.cli", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def state_of(shop, run):
    listed = json.loads(shop.pratique("runs", "shop", "--json", "--config", shop.config).stdout)
    return next(found["state"] for found in listed if found["run"] == run)


def question(shop, run):
    return read_question(shop.state / "runs" / run)


@contextmanager
def route_to(shop, web):
    """Within the context, the service file has a route to a receiver."""
    file = Path(shop.config)
    before = file.read_text()
    file.write_text(f'{before}\n[[notify]]\nto = "{web.url("http")}"\ngroup_s = 0\n')
    try:
        yield
    finally:
        file.write_text(before)


def test_stages_are_approved_one_by_one_and_in_advance_and_people_are_notified(shop):
    with web_receiver() as web, route_to(shop, web):
        process = start(shop, "asked", approval="ask")
        ahead = shop.pratique("approve", "asked", "50", "--config", shop.config, check=False)
        eventually(lambda: question(shop, "asked") is not None)
        if ahead.returncode:  # the run had not begun yet
            shop.pratique("approve", "asked", "50", "--config", shop.config)
        assert question(shop, "asked").stage == 20
        eventually(lambda: any("pratique approve asked 20" in body for _, body in web.came))
        done = shop.pratique("approve", "asked", "--config", shop.config, "--who", "ann")
        assert done.stdout == "shop asked, stage 20 %: approved\n"
        output, _ = process.communicate(timeout=250)
        assert process.returncode == 0, output
        assert "waits for approval: pratique approve asked 20" in output
        assert shop.serving() == {"asked": 1.0}
        eventually(lambda: any("release of shop asked: promoted" in body for _, body in web.came))
        assert "serving, 127" in shop.pratique("status", "shop", "--config", shop.config).stdout


def test_a_person_can_have_the_canary_rolled_back(shop):
    before = shop.serving()
    process = start(shop, "disliked", approval="ask")
    eventually(lambda: question(shop, "disliked") is not None)
    done = shop.pratique("approve", "disliked", "--rollback", "--config", shop.config)
    assert done.stdout == "shop disliked, stage 20 %: rollback requested\n"
    output, _ = process.communicate(timeout=250)
    assert process.returncode == 1, output
    assert shop.serving() == before


def test_a_running_release_is_stopped_and_undone(shop):
    before = shop.serving()
    process = start(shop, "stopped", approval="ask")
    eventually(lambda: question(shop, "stopped") is not None)
    running = json.loads(shop.pratique("runs", "shop", "--json", "--config", shop.config).stdout)[-1]
    assert (running["run"], running["state"]) == ("stopped", "running")
    done = shop.pratique("abort", "stopped", "--why", "wrong day", "--who", "ann", "--config", shop.config)
    assert "run stopped has ended: failed" in done.stdout
    output, _ = process.communicate(timeout=250)
    assert process.returncode >= 128, output
    assert shop.serving() == before
    assert "stopped by ann (wrong day)" in shop.result("stopped")["reason"]


def test_a_dead_run_is_named_and_can_be_undone(shop):
    before = shop.serving()
    process = start(shop, "dead", approval="ask")
    eventually(lambda: question(shop, "dead") is not None)
    watchdog = shop.part("watchdog")
    kernel = json.loads(shop.pratique("runs", "shop", "--json", "--config", shop.config).stdout)[-1]
    assert kernel["state"] == "running"
    holder = json.loads((shop.state / "locks/shop.lock").read_text())["pid"]
    for pid in filter(None, (watchdog and watchdog.pid, process.pid, holder)):
        subprocess.run(["kill", "-KILL", str(pid)], check=False)
    process.communicate(timeout=250)
    eventually(lambda: state_of(shop, "dead") != "running")
    ended = shop.pratique("abort", "dead", "--config", shop.config, check=False)
    assert ended.returncode in (0, 64, 75), ended.stderr  # or the watchdog has undone it, or is about to
    eventually(lambda: state_of(shop, "dead") == "ended")
    assert shop.serving() == before
    refused = shop.pratique("approve", "dead", "--config", shop.config, check=False)
    assert refused.returncode == 64
    assert "already ended" in refused.stderr


def test_what_can_be_refused_is_refused_before_a_kernel_starts(shop):
    baseline = shop.baseline()
    for words, said in [
        (("release", "shop", "nowhere"), "no release 'nowhere'"),
        (("release", "shop", baseline), "already"),
        (("release", "shop", baseline, "--stages", "50,20"), "rising"),
        (("release", "shop", shop.make("unstored"), "--store", "redis://nowhere"), "redis"),
        (("rollback", "wrong"), "no service 'wrong'"),
    ]:
        done = shop.pratique(*words, "--config", shop.config, "--run-id", "refused", check=False)
        assert done.returncode >= 64, done.stdout
        assert said in done.stderr
        assert not (shop.state / "runs/refused").exists()
