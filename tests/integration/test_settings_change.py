"""Settings that change while a collector, a balancer and a release run, with real processes."""

import json
import time
from pathlib import Path

import pytest

from pratique.config import load
from pratique.errors import UnavailableError
from pratique.store import open_store
from pratique.telemetry.collector_status import collector_status
from support.shop_fixture import eventually, running_shop

pytestmark = [pytest.mark.server, pytest.mark.slow]

CHANGES = {
    "telemetry.window_s": ("window_s = 1", "window_s = 3"),
    "services.shop.actions": ("[services.shop.runtime]", "[services.shop]\nactions = [{path = '/cart', action = 'cart'}]\n[services.shop.runtime]"),
    "telemetry.late_s": ("[telemetry]", "[telemetry]\nlate_s = 20"),
    "telemetry.host": ("[telemetry]", '[telemetry]\nhost = "elsewhere"'),
    "telemetry.httplog.timezone": ("[telemetry]", '[telemetry]\nhttplog = { timezone = "Asia/Tokyo" }'),
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
    for key in CHANGES:
        change(shop, key)
        status = json.loads(shop.pratique("status", "shop", "--json", "--config", shop.config).stdout)
        assert any(key in line and "pratique up shop" in line for line in status["drift"]), status["drift"]
        found = shop.pratique("check", "--config", shop.config, check=False).stdout
        assert f"the collector runs with {key}" in found
        if key in COUNTING:
            with pytest.raises(UnavailableError, match=f"{key} = .* pratique up shop r1"):
                shop.open("r1", f"refused-{key.replace('.', '-')}", config=shop.config).check()
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


def test_a_collector_with_other_options_is_started_again(shop):
    pid = shop.part("collector").pid
    elsewhere = str(shop.folder / "elsewhere")
    assert "store.url" in shop.pratique("up", "shop", "r1", "--config", shop.config, "--store", elsewhere).stdout
    assert shop.part("collector").pid != pid
    time.sleep(1)
    assert collector_status(shop.state).settings["store"]["url"] == elsewhere
