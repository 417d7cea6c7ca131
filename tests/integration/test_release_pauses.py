"""A release that stands still: the kernel, the balancer or everything is stopped for longer than the lease."""

import contextlib
import json
import os
import signal
from datetime import datetime, timedelta

import psutil
import pytest

from support.shop_fixture import running_shop
from support.waiting import eventually

pytestmark = [pytest.mark.server, pytest.mark.kernel, pytest.mark.slow]

LEASE = timedelta(seconds=2)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with running_shop(tmp_path_factory.mktemp("pauses"), rate=60) as shop:
        yield shop


def progress(shop, run_id):
    file = shop.state / "runs" / run_id / "progress.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def kernel_of(process):
    for child in psutil.Process(process.pid).children():
        if "ipykernel" in " ".join(child.cmdline()):
            return child
    return None


def everything(shop, process):
    """The kernel, the balancer, the collector, the instances and their supervisors."""
    found = [kernel_of(process), shop.part("balancer"), shop.part("collector")]
    for instance in shop.runtime.list("shop"):
        supervisor = psutil.Process(int(instance.id.partition(":")[0]))
        found += [supervisor, *supervisor.children(recursive=True)]
    return found


@contextlib.contextmanager
def stopped(processes):
    """Stop processes with SIGSTOP for as long as the block lasts."""
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)


def begin(shop, revision, config=None):
    """Start a release, and wait until its first stage has been looked at."""
    shop.make(revision)
    process = shop.papermill(revision=revision, run_id=revision, config=config or shop.config)
    eventually(lambda: any(event["event"] == "look" for event in progress(shop, revision)))
    return process


def shares(shop, revision):
    """The shares of the canary that the ledger has of a run, with the kind of each entry."""
    entries = [entry for entry in shop.ledger.entries("shop", run=revision) if "shares" in entry.data]
    return [(entry.kind, entry.data["shares"].get(revision, 0.0)) for entry in entries]


def windows_of(shop, revision, stage):
    """The highest number of windows that each beginning of a stage reached."""
    found = []
    for event in progress(shop, revision):
        if event["event"] == "stage":
            found.append((event["stage"], 0))
        elif event["event"] == "look":
            found[-1] = (found[-1][0], event["windows"])
    return [windows for percent, windows in found if percent == stage]


def assert_begun_again(shop, revision):
    """The stage of the lapse began again, and reached its windows, before the next one."""
    known = shares(shop, revision)
    at = known.index(("lapse", 0.0))
    assert known[at - 1] == known[at + 1]
    assert known[at + 1][0] == "weight"
    assert windows_of(shop, revision, known[at + 1][1] * 100)[-1] >= 2
    [entry] = shop.ledger.entries("shop", "lapse", revision)
    since, until = (datetime.fromisoformat(entry.data[name]) for name in ("since", "until"))
    assert since < until
    return since, until


def lost(shop, revision):
    return lambda: shop.balancer.weights("shop").shares.get(revision) == 0.0


def test_a_paused_kernel_begins_its_stage_again(shop):
    revision = "kernel"
    process = begin(shop, revision)
    with stopped([kernel_of(process)]):
        eventually(lost(shop, revision))
        lapsed = shop.balancer.weights("shop").lapsed
    assert process.wait(timeout=250) == 0
    since, _ = assert_begun_again(shop, revision)
    assert abs(since - lapsed) < timedelta(seconds=0.1)
    result = shop.result(revision)
    assert (result["outcome"], result["verdict"]) == ("promoted", "promote"), result["reason"]
    assert "share mismatch" not in json.dumps(progress(shop, revision))


@pytest.mark.parametrize("what", ["balancer", "machine"])
def test_a_pause_of_the_balancer_or_of_everything_begins_the_stage_again(shop, what):
    process = begin(shop, what)
    given = shop.ledger.latest_shares("shop").time
    with stopped(everything(shop, process) if what == "machine" else [shop.part("balancer")]):
        # nothing that could tell runs: the lease is over when its time is
        eventually(lambda: datetime.now(given.tzinfo) - given > 3 * LEASE)
        stopped_until = datetime.now(given.tzinfo)
        eventually(lambda: datetime.now(given.tzinfo) - stopped_until > LEASE)
    assert process.wait(timeout=250) == 0
    assert_begun_again(shop, what)
    assert shop.result(what)["outcome"] == "promoted", shop.result(what)["reason"]


def test_a_lapse_ends_the_release_where_the_service_file_says_so(shop):
    file = shop.folder / "ends.toml"
    file.write_text((shop.folder / "pratique.toml").read_text().replace("lease_s = 2", 'lease_s = 2\non_lapse = "end"'))
    process = begin(shop, "ends", config=str(file))
    with stopped([kernel_of(process)]):
        eventually(lost(shop, "ends"))
    process.wait(timeout=250)
    result = shop.result("ends")
    assert (result["outcome"], result["exit_status"]) == ("inconclusive", 2)
    assert "the lease expired at" in result["reason"]
    assert "rollout.on_lapse" in result["reason"]
    assert shop.serving() == {shop.baseline(): 1.0} != {"ends": 1.0}
