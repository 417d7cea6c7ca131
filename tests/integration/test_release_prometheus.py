"""A release that is judged by what a real Prometheus scrapes: no collector runs."""

import contextlib
import json
import threading
from pathlib import Path

import pytest

from support.measured_shop import MeasuredShop
from support.ports import free_port
from support.prometheus_fixture import metric_server
from support.shop_fixture import eventually, running_shop

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]
SCRAPE = """
global: {{ scrape_interval: 1s }}
scrape_configs:
  - job_name: shop
    file_sd_configs: [{{ files: [{targets}], refresh_interval: 1s }}]
"""
STORE = """
[store]
url = "{address}"

[store.metrics]
preset = "go"
action = ["method"]
window_s = 2
"""


@contextlib.contextmanager
def telling_targets(shop, file):
    """Write the running instances for Prometheus, as a service discovery does."""
    ended = threading.Event()

    def write():
        while not ended.wait(0.2):
            groups = [
                {"targets": [one.address], "labels": {"version": one.revision, "service": "shop"}}
                for one in shop.runtime.list("shop")
            ]
            part = file.with_suffix(".part")
            part.write_text(json.dumps(groups))
            part.rename(file)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    targets = folder / "targets.json"
    targets.write_text("[]")
    # the shop takes processes that name its folder for its own, left over
    with metric_server(
        "prometheus", tmp_path_factory.mktemp("metrics"), scrape=SCRAPE.format(targets=targets)
    ) as server:
        more = STORE.format(address=server.address)
        with (
            running_shop(folder, make_shop=MeasuredShop, more=more, rate=100, failing=0.0) as shop,
            telling_targets(shop, targets),
        ):
            eventually(lambda: server.query("http_requests_total"), 60)
            yield shop


def test_a_good_release_is_promoted_and_a_failing_one_rolled_back(shop):
    assert shop.part("collector") is None
    status = shop.pratique("status", "shop", "--config", shop.config).stdout
    assert "collector  not needed: requests are counted from prometheus://" in status
    shop.make("good", failing=0.0)
    done, result = shop.release(revision="good", run_id="good", config=shop.config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (result["verdict"], result["baseline"]) == ("promote", "r1")
    assert "a request is judged at most 5 s after it was scraped" in done.stdout
    assert Path(result["report"]).exists()
    assert shop.serving() == {"good": 1.0}
    shop.make("bad", failing=0.5)
    done, result = shop.release(revision="bad", run_id="bad", config=shop.config)
    assert done.returncode == 1, done.stdout + done.stderr
    assert (result["verdict"], result["outcome"]) == ("rollback", "rolled back")
    assert shop.serving() == {"good": 1.0}


def test_a_release_without_scrapes_does_not_begin(shop, tmp_path):
    text = Path(shop.config).read_text()
    (shop.folder / "away.toml").write_text(
        text.replace("prometheus://127.0.0.1:", f"prometheus://127.0.0.1:{free_port()}/")
    )
    shop.make("next", failing=0.0)
    done, _ = shop.release(revision="next", run_id="away", config=shop.folder / "away.toml")
    assert done.returncode == 69
    assert "does not answer" in done.stderr
    (shop.folder / "none.toml").write_text(text.replace('action = ["method"]', 'requests = "nothing_total"'))
    done, _ = shop.release(revision="next", run_id="none", config=shop.folder / "none.toml")
    assert done.returncode == 69
    assert "nothing would be measured: store 'prometheus://" in done.stderr
