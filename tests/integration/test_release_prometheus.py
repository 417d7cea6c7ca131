"""A release that is judged by what a real Prometheus scrapes: no collector runs."""

import time
from pathlib import Path

import pytest

from support.measured_shop import MeasuredShop, scraping_server, telling_targets, wait_for_scrapes
from support.ports import free_port
from support.shop_fixture import running_shop
from support.waiting import eventually

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]


@pytest.fixture(scope="module")
def server_and_shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    targets = folder / "targets.json"
    # the shop takes processes that name its folder for its own, left over
    with (
        scraping_server(tmp_path_factory.mktemp("metrics"), targets) as (server, more),
        running_shop(folder, make_shop=MeasuredShop, more=more, rate=100, failing=0.0) as shop,
        telling_targets(shop, targets),
    ):
        wait_for_scrapes(server)
        yield server, shop


@pytest.fixture
def server(server_and_shop):
    found = server_and_shop[0]
    yield found
    found.mend()


@pytest.fixture
def shop(server_and_shop):
    return server_and_shop[1]


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


@pytest.mark.parametrize("away", ["kill", "pause"])
def test_a_release_waits_for_a_server_that_is_away_for_a_while(shop, server, away):
    """What a server that comes back did not scrape, it has in the counters' next values."""
    shop.make(f"after-{away}", failing=0.0)
    process = shop.papermill(revision=f"after-{away}", run_id=away, config=shop.config)
    eventually(lambda: shop.stage(away))
    getattr(server, away)()
    time.sleep(8)
    assert process.poll() is None, "it waits"
    server.mend()
    assert process.wait(timeout=250) == 0
    result = shop.result(away)
    assert (result["verdict"], result["outcome"]) == ("promote", "promoted")
    assert shop.serving() == {f"after-{away}": 1.0}
