"""A shop whose applications expose a counter of their requests, which a real Prometheus scrapes: it needs no collector."""

import contextlib
import json
import threading

from support.prometheus_fixture import metric_server
from support.shop_fixture import Shop
from support.waiting import eventually

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
ANSWER = "status, body = await answer(method, path)"
COUNTED = """if path == "/metrics":
                status, body = 200, exposed()
            else:
                status, body = await answer(method, path)
                if path != "/healthz":
                    COUNTS[method, status] = COUNTS.get((method, status), 0) + 1"""
METRICS = '''
COUNTS = {}
STARTED = __import__("time").time()


def exposed():
    """The counters in Prometheus's text format."""
    lines = [f'http_requests_total{{method="{method}",code="{code}"}} {n}' for (method, code), n in COUNTS.items()]
    return "\\n".join([*lines, f"process_start_time_seconds {STARTED}", ""])


async def serve(reader, writer):'''


class MeasuredShop(Shop):
    """A shop whose application exposes a counter of its requests."""

    def make(self, revision, failing=None, **options):
        super().make(revision, failing, **options)
        app = self.folder / "releases" / revision / "app.py"
        text = app.read_text()
        assert ANSWER in text
        app.write_text(text.replace(ANSWER, COUNTED).replace("\nasync def serve(reader, writer):", METRICS))
        return revision


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


@contextlib.contextmanager
def scraping_server(folder, targets):
    """A Prometheus that scrapes the targets which a file names; gives it and the part of the service file that reads it."""
    targets.write_text("[]")
    with metric_server("prometheus", folder, scrape=SCRAPE.format(targets=targets)) as server:
        yield server, STORE.format(address=server.address)


def wait_for_scrapes(server):
    """Wait until it has a counter."""
    eventually(lambda: server.query("http_requests_total"))
