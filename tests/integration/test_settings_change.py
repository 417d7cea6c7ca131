"""Settings that change while a collector, a balancer and a release run, with real processes."""

import json
import socket
from pathlib import Path

import pytest

from pratique.balancer import Pool
from pratique.config import load
from pratique.errors import UnavailableError
from pratique.ledger import open_ledger
from pratique.store import open_store
from pratique.subject_lock import Lock
from pratique.telemetry.collector_status import collector_status
from support.shop_fixture import Shop, leftovers, running_shop
from support.waiting import eventually

pytestmark = [pytest.mark.server, pytest.mark.slow]

CHANGES = {
    "telemetry.window_s": ("window_s = 1", "window_s = 3"),
    "services.shop.actions": ("[services.shop.runtime]", "[services.shop]\nactions = [{path = '/cart', action = 'cart'}]\n[services.shop.runtime]"),
    "telemetry.late_s": ("[telemetry]", "[telemetry]\nlate_s = 20"),
    "store.url": ("[telemetry]", '[store]\nurl = "another"\n[telemetry]'),
}  # fmt: skip
COUNTING = set(CHANGES) - {"telemetry.late_s"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with running_shop(tmp_path_factory.mktemp("shop"), rate=100) as shop:
        yield shop


def change(shop, key):
    file = Path(shop.config)
    file.write_text(file.read_text().replace(*CHANGES[key]))


def counted(shop):
    """Requests in every store that the collector wrote to."""
    urls = {load(shop.config).store.url, str(shop.state / "store")}
    return sum(seen.requests for url in urls for seen in open_store(url).revisions("shop"))


def test_each_setting_that_changes_is_named_and_applied_without_losing_a_line(shop):
    shop.make("next")
    for key in CHANGES:
        change(shop, key)
        status = json.loads(shop.pratique("status", "shop", "--json", "--config", shop.config).stdout)
        assert any(key in line and "pratique up shop" in line for line in status["drift"]), status["drift"]
        found = shop.pratique("check", "--config", shop.config, check=False).stdout
        assert f"the collector runs with {key}" in found
        if key in COUNTING:
            run = shop.open("r1", f"refused-{key.replace('.', '-')}", config=shop.config)
            with pytest.raises(UnavailableError, match=f"{key} = .* pratique up shop r1"):
                run.check()
            run.abort("enough")
            refused = shop.pratique(
                "release", "shop", "next", "--run-id", "early", "--config", shop.config, check=False
            )
            assert (refused.returncode, key in refused.stderr) == (69, True)
            assert not (shop.state / "runs" / "early").exists(), "refused before a kernel starts"
        pid = shop.part("collector").pid
        assert f"{key} = " in shop.pratique("up", "shop", "r1", "--config", shop.config).stdout
        assert shop.part("collector").pid == pid, "it follows the file without a restart"
        status = json.loads(shop.pratique("status", "shop", "--json", "--config", shop.config).stdout)
        assert status["drift"] == []
    state = collector_status(shop.state)
    assert state.settings["telemetry"]["window_s"] == 3
    assert state.notes() == []
    sent = shop.balancer.stats()["access_lines"]["sent"]
    eventually(lambda: counted(shop) >= sent)
    assert counted(shop) <= shop.balancer.stats()["access_lines"]["sent"]


@pytest.mark.parametrize("service", ["shop", "of-the-same-collector"])
def test_up_changes_nothing_that_a_run_of_any_service_counts_by(shop, service):
    file, before = Path(shop.config), collector_status(shop.state).settings
    text = file.read_text()
    lock = Lock(shop.state, service)
    lock.take(who="ann", run="busy", reason="a release")
    try:
        file.write_text(text.replace("window_s = 3", "window_s = 4"))
        refused = shop.pratique("up", "shop", "r1", "--config", shop.config, check=False)
    finally:
        lock.release()
        file.write_text(text)
    assert refused.returncode == 75
    assert "window_s = 3, the service file says 4" in refused.stderr
    assert "run 'busy' of ann" in refused.stderr
    assert collector_status(shop.state).settings == before


def test_a_collector_with_other_options_is_started_again(shop):
    pid = shop.part("collector").pid
    elsewhere = str(shop.folder / "elsewhere")
    assert "store.url" in shop.pratique("up", "shop", "r1", "--config", shop.config, "--store", elsewhere).stdout
    assert shop.part("collector").pid != pid
    eventually(lambda: collector_status(shop.state).settings["store"]["url"] == elsewhere)


def test_a_balancer_that_runs_with_other_settings_is_named_and_keeps_its_pool_when_started_again(shop):
    file = Path(shop.config)
    file.write_text(file.read_text().replace("[services.shop.balancer]", "[services.shop.balancer]\ntimeout_s = 7"))
    for command in (("status", "shop"), ("up", "shop", "r1"), ("check",)):
        found = shop.pratique(*command, "--config", shop.config, check=False).stdout
        assert "the balancer runs with balancer.timeout_s = 30.0, the service file says 7.0" in found, command
    shop.part("balancer").terminate()
    eventually(lambda: shop.part("balancer") is None)
    assert "runs with" not in shop.pratique("up", "shop", "r1", "--config", shop.config).stdout
    assert shop.serving() == {"r1": 1.0}


def test_up_records_only_what_it_changes(shop):
    def entries():
        return [entry for entry in open_ledger(shop.state).entries("shop") if entry.kind in {"release", "weight"}]

    before = len(entries())
    shop.pratique("up", "shop", "r1", "--config", shop.config)
    assert len(entries()) == before
    [address] = shop.balancer.pool("shop").servers["r1"]
    with socket.create_server(("127.0.0.1", 0)) as other:
        also = f"127.0.0.1:{other.getsockname()[1]}"
        shop.balancer.apply(Pool("shop", {"r1": (address, also)}, {"r1": 1.0}))
        shop.pratique("up", "shop", "r1", "--config", shop.config)
    assert [entry.kind for entry in entries()[before:]] == ["weight"], "the same revision is not released once more"
    assert shop.balancer.pool("shop").servers == {"r1": (address,)}


def test_a_balancer_that_ended_is_started_while_a_run_holds_the_settings_of_the_collector(shop):
    file = Path(shop.config)
    text = file.read_text()
    lock = Lock(shop.state, "shop")
    shop.part("balancer").terminate()
    eventually(lambda: shop.part("balancer") is None)
    lock.take(who="ann", run="busy", reason="a release")
    try:
        file.write_text(text.replace("window_s = 3", "window_s = 4"))
        refused = shop.pratique("up", "shop", "r1", "--config", shop.config, check=False)
    finally:
        lock.release()
        file.write_text(text)
    assert refused.returncode == 75
    assert shop.serving() == {"r1": 1.0}


def test_a_typo_in_the_command_can_be_corrected_under_the_name_of_the_revision(tmp_path):
    shop = Shop(tmp_path)
    shop.make("r1")
    file = Path(shop.config)
    right = file.read_text()
    file.write_text(right.replace("app.py", "ap.py"))
    try:
        done = shop.pratique("up", "shop", "r1", "--config", shop.config, check=False)
        assert done.returncode != 0
        assert shop.ledger.binding("shop", "r1") is None
        file.write_text(right)
        shop.pratique("up", "shop", "r1", "--config", shop.config)
        assert [release.revision for release in shop.ledger.releases("shop")] == ["r1"]
        file.write_text(right.replace("app.py", "./app.py"))
        done = shop.pratique("up", "shop", "r1", "--config", shop.config, check=False)
        assert "a changed release needs a new revision name" in done.stderr
    finally:
        shop.pratique("down", "shop", "--config", shop.config, check=False)
    assert leftovers(tmp_path) == []
