"""Real Prometheus-compatible servers: Debian's prometheus and victoria-metrics, filled with samples of the past or scraping.

`samples` are (name, labels, seconds, value); `backfill` stores them as if the server had scraped them at those times.
"""

import contextlib
import json
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from support.ports import free_port

KINDS = ("prometheus", "victoria-metrics")


@dataclass
class MetricServer:
    """A server process, which keeps its data when it is started again. address: for `[store] url`."""

    kind: str
    port: int
    command: list
    log: Path

    def start(self):
        """Start it, and wait until it answers."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)
        _wait_ready(self, self.process, self.log)

    def end(self, number=signal.SIGTERM):
        """End it, if it runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        self.process.wait(timeout=60)

    def kill(self):
        self.end(signal.SIGKILL)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def mend(self):
        """Let it run again, whatever was done to it."""
        if self.process.poll() is not None:
            self.start()
        self.process.send_signal(signal.SIGCONT)

    @property
    def address(self):
        return f"prometheus://127.0.0.1:{self.port}"

    @property
    def http(self):
        return f"http://127.0.0.1:{self.port}"

    def query(self, promql, **parameters):
        """The result of an instant query."""
        form = urllib.parse.urlencode({"query": promql, "nocache": "1", **parameters})
        with urllib.request.urlopen(f"{self.http}/api/v1/query?{form}", timeout=60) as answer:
            return json.load(answer)["data"]["result"]


@contextlib.contextmanager
def metric_server(kind, folder, samples=(), *, scrape="", arguments=()):
    """Start a server of a kind. samples: that it has already. scrape: its configuration of targets (YAML)."""
    port, data = free_port(), folder / f"{kind}-{time.monotonic_ns()}"
    data.mkdir(parents=True)
    config = folder / f"scrape-{port}.yml"
    config.write_text(scrape or "scrape_configs: []\n")
    if kind == "prometheus":
        _write_blocks(samples, data, folder)
        command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={data}", "--log.level=warn"]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=10y", *arguments]
    else:
        command = ["victoria-metrics", f"-storageDataPath={data}", f"-httpListenAddr=127.0.0.1:{port}"]
        command += ["-retentionPeriod=10y", "-loggerLevel=ERROR", f"-promscrape.config={config}", *arguments]
    server = MetricServer(kind, port, command, folder / f"{kind}-{port}.log")
    try:
        server.start()
        if kind != "prometheus" and samples:
            _import(server, samples)
        yield server
    finally:
        server.end()


def exposition(samples, *, millis):
    """Samples in the text format. millis: whether times are in milliseconds, as the older format has them."""
    lines = []
    for name, labels, at, value in samples:
        shown = ",".join(f"{label}={json.dumps(text, ensure_ascii=False)}" for label, text in labels.items())
        lines.append(f"{name}{{{shown}}} {value} {round(at * 1000) if millis else at}")
    return "\n".join(lines) + "\n"


def _write_blocks(samples, data, folder):
    if not samples:
        return
    source = folder / "openmetrics.txt"
    source.write_text(exposition(samples, millis=False) + "# EOF\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(source), str(data)]
    subprocess.run(command, check=True, capture_output=True)


def _import(server, samples):
    body = exposition(samples, millis=True).encode()
    request = urllib.request.Request(f"{server.http}/api/v1/import/prometheus", data=body, method="POST")
    urllib.request.urlopen(request, timeout=60).close()
    urllib.request.urlopen(f"{server.http}/internal/force_flush", timeout=60).close()


def _wait_ready(server, process, log):
    path = "/-/ready" if server.kind == "prometheus" else "/health"
    deadline = time.monotonic() + 120
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(server.http + path, timeout=1).close()
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"{server.kind} does not start: {Path(log).read_text()[-2000:]}")
        time.sleep(0.05)
