"""A canary that is refused, dies, hangs or is orphaned, with real parts."""

import json
import os
import signal
from datetime import datetime, timedelta

import psutil
import pytest

from pratique.errors import BusyError, UnavailableError
from pratique.release import load_release
from pratique.runbook.recovery import remove_orphans
from pratique.runbook.service.orphans import describe_orphans, find_orphans
from pratique.subject_lock import Lock
from support.shop_fixture import running_shop
from support.waiting import eventually

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with running_shop(tmp_path_factory.mktemp("canary"), rate=60) as shop:
        yield shop


def with_acceptance(shop, name, setting):
    file = shop.folder / f"{name}.toml"
    file.write_text((shop.folder / "patient.toml").read_text().replace("lease_s = 2", f"lease_s = 2\n{setting}"))
    return str(file)


def canary(shop, revision):
    [found] = [instance for instance in shop.runtime.list("shop") if instance.revision == revision]
    return found


def orphans(shop):
    return find_orphans(shop.settings.target("shop"), shop.runtime, shop.balancer)


def test_a_canary_that_fails_its_acceptance_test_gets_no_traffic(shop):
    shop.make("refused")
    config = with_acceptance(shop, "refused", 'acceptance_paths = ["/", "/no/such/page"]')
    run = shop.open("refused", "refused", config=config)
    run.check()
    run.start_canary()
    with pytest.raises(UnavailableError, match="failed its acceptance test at '/no/such/page': 404 no such page"):
        run.take_into_pool()
    assert shop.running() == ["r1"]
    assert all("refused" not in change.shares for change in shop.ledger.weights("shop"))
    assert "404 no such page" in shop.result("refused")["reason"]


def test_a_canary_that_passes_its_acceptance_test_continues(shop, capsys):
    shop.make("passes")
    command = json.dumps(["{python}", "-c", "import sys; sys.exit(sys.argv[1] != 'shop')", "{service}"])
    config = with_acceptance(shop, "passes", f'acceptance_paths = ["/search?q=tea"]\nacceptance_command = {command}')
    run = shop.open("passes", "passes", config=config)
    run.check()
    [address] = run.start_canary()
    assert run.accept() == [address]
    assert run.take_into_pool() == {"r1": 1.0, "passes": 0.0}
    assert "passed in" in capsys.readouterr().out
    run.abort("enough")


@pytest.mark.parametrize(
    ("name", "signal_", "said"),
    [
        ("dies", signal.SIGKILL, "exited: last log lines: dies listens on"),
        ("hangs", signal.SIGSTOP, "health checks in a row failed"),
    ],
)
def test_a_canary_that_dies_or_hangs_ends_the_rollout_at_once(shop, name, signal_, said):
    shop.make(name)
    process = shop.papermill(revision=name, run_id=name, config=shop.patient)
    eventually(lambda: shop.serving().get(name, 0) > 0)
    [child] = psutil.Process(int(canary(shop, name).id.partition(":")[0])).children()
    os.kill(child.pid, signal_)
    eventually(lambda: shop.serving() == {"r1": 1.0})
    process.wait(timeout=250)
    result = shop.result(name)
    assert (result["verdict"], result["outcome"], result["exit_status"]) == ("rollback", "rolled back", 1)
    assert said in result["reason"]
    assert shop.running() == ["r1"]


def killed(shop, revision):
    """A release whose kernel was killed during the rollout."""
    shop.make(revision)
    process = shop.papermill(revision=revision, run_id=revision, config=shop.patient)
    eventually(lambda: shop.serving().get(revision, 0) > 0)
    # the balancer knows the share a moment before the ledger
    eventually(lambda: shop.ledger.entries("shop", "weight", revision))
    for child in psutil.Process(process.pid).children():
        child.kill()
    process.wait(timeout=250)


def test_an_expired_lease_is_recorded_with_the_balancers_time(shop):
    killed(shop, "lapsed")
    eventually(lambda: shop.serving() == {"r1": 1.0})
    lapsed = shop.balancer.weights("shop").lapsed
    process = shop.papermill(revision="lapsed", run_id="lapsed", config=shop.patient)
    eventually(lambda: shop.ledger.entries("shop", "lapse", "lapsed"))
    process.send_signal(signal.SIGINT)
    process.wait(timeout=250)
    [entry] = shop.ledger.entries("shop", "lapse", "lapsed")
    since = datetime.fromisoformat(entry.data["since"])
    assert abs(since - lapsed) < timedelta(seconds=0.1)
    assert since < entry.time
    assert shop.running() == ["r1"]


def test_orphans_are_found_and_removed_on_request(shop, capsys):
    assert orphans(shop) == []
    killed(shop, "left")
    eventually(lambda: shop.serving() == {"r1": 1.0})
    # still in the pool, so the same id can resume
    assert orphans(shop) == []
    shop.balancer.apply(
        shop.balancer.pool("shop").__class__("shop", {"r1": shop.balancer.pool("shop").servers["r1"]}, {"r1": 1.0})
    )
    [found] = orphans(shop)
    assert (found.revision, found.run) == ("left", "left")
    assert "left at 127.0.0.1" in describe_orphans([found])[0]
    assert remove_orphans(shop.settings.target("shop"), shop.runtime, shop.balancer, who="ann")[0].id == found.id
    assert shop.running() == ["r1"]
    assert shop.result("left")["outcome"] == "failed"
    assert remove_orphans(shop.settings.target("shop"), shop.runtime, shop.balancer) == []


def test_an_active_run_keeps_its_instances_and_lists_orphans(shop, capsys):
    stray = shop.runtime.start(
        load_release("shop", "left", shop.settings.service("shop").runtime, shop.folder), run="x", role="canary"
    )
    shop.make("works")
    run = shop.open("works", "works")
    run.check()
    assert "left over from a crashed run: left at" in capsys.readouterr().out
    run.start_canary()
    assert [instance.revision for instance in orphans(shop)] == ["left"]
    with pytest.raises(BusyError, match="run 'works'"):
        remove_orphans(shop.settings.target("shop"), shop.runtime, shop.balancer)
    run.abort("enough")
    removed = remove_orphans(shop.settings.target("shop"), shop.runtime, shop.balancer)
    assert [instance.id for instance in removed] == [instance.id for instance in stray]
    assert shop.running() == ["r1"]


def test_a_run_that_died_before_its_first_line_blocks_nothing(shop):
    lock = Lock(shop.state, "shop")
    lock.take(who="ann", run="stillborn", reason="")
    lock._file.close()
    run = shop.open("works", "works-2")
    assert run.check().baseline == "r1"
    run.abort("enough")
