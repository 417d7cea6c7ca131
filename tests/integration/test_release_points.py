"""A release that is judged by points that another program writes to InfluxDB: no collector runs."""

import contextlib
import re
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from support import telegraf_points as telegraf
from support.measured_shop import MeasuredShop
from support.ports import free_port
from support.shop_fixture import running_shop
from support.waiting import eventually

pytestmark = [pytest.mark.influxdb, pytest.mark.slow]
STORE = """
[store]
url = "{address}"
token_file = "read-token"

[store.points]
preset = "telegraf-prometheus"
action = ["method"]
window_s = 2
settle_s = 2
"""
SAMPLE = re.compile(r'^http_requests_total\{method="(\w+)",code="(\d+)"\} (\d+)$', re.MULTILINE)


@contextlib.contextmanager
def collecting(shop, server, bucket):
    """Write the counters of the running instances every second, in the form of Telegraf's input `prometheus`."""
    ended = threading.Event()

    def collect():
        while not ended.wait(1):
            now = int(time.time()) * 10**9
            lines = []
            for one in shop.runtime.list("shop"):
                url = f"http://{one.address}/metrics"
                with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
                    tags = {"service": "shop", "version": one.revision, "url": url, "host": "web-1"}
                    lines += [
                        telegraf.line(
                            "http_requests_total", {**tags, "method": method, "code": code}, {"counter": float(n)}, now
                        )
                        for method, code, n in SAMPLE.findall(answer.read().decode())
                    ]
            if lines:
                telegraf.write(server, bucket, lines)

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.fixture(scope="module")
def shop(tmp_path_factory, influxdb_server):
    folder, bucket = tmp_path_factory.mktemp("shop"), influxdb_server.new_bucket()
    (folder / "read-token").write_text(influxdb_server.client.create_authorization("read", bucket, ["read"]).token)
    more = STORE.format(address=influxdb_server.address(bucket))
    with (
        running_shop(folder, make_shop=MeasuredShop, more=more, rate=100, failing=0.0) as shop,
        collecting(shop, influxdb_server, bucket),
    ):
        # nothing is there before the first window has ended
        eventually(lambda: "r1" in shop.pratique("revisions", "--config", shop.config, check=False).stdout)
        yield shop


def test_a_good_release_is_promoted_and_a_failing_one_rolled_back(shop):
    assert shop.part("collector") is None
    status = shop.pratique("status", "shop", "--config", shop.config).stdout
    assert "collector  not needed: requests are counted from influxdb://" in status
    checked = shop.pratique("store", "check", "--config", shop.config)
    assert checked.returncode == 0, checked.stdout
    assert "the newest point is of" in checked.stdout
    shop.make("good", failing=0.0)
    done, result = shop.release(revision="good", run_id="good", config=shop.config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (result["verdict"], result["baseline"]) == ("promote", "r1")
    assert "a request is judged at most 4 s after it was" in done.stdout
    assert Path(result["report"]).exists()
    assert shop.serving() == {"good": 1.0}
    shop.make("bad", failing=0.5)
    done, result = shop.release(revision="bad", run_id="bad", config=shop.config)
    assert done.returncode == 1, done.stdout + done.stderr
    assert (result["verdict"], result["outcome"]) == ("rollback", "rolled back")
    assert shop.serving() == {"good": 1.0}


def test_a_release_without_points_does_not_begin(shop):
    text = Path(shop.config).read_text()
    (shop.folder / "away.toml").write_text(
        re.sub(r"influxdb://127\.0\.0\.1:\d+", f"influxdb://127.0.0.1:{free_port()}", text)
    )
    shop.make("next", failing=0.0)
    done, _ = shop.release(revision="next", run_id="away", config=shop.folder / "away.toml")
    assert done.returncode == 69
    assert "does not answer" in done.stderr
    (shop.folder / "none.toml").write_text(text.replace('action = ["method"]', 'measurement = "nothing"'))
    done, _ = shop.release(revision="next", run_id="none", config=shop.folder / "none.toml")
    assert done.returncode == 69
    assert "nothing would be measured: store 'influxdb://" in done.stderr
