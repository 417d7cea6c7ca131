"""The collector under a flood of made-up lines: memory has a bound, windows are stored, and real lines count."""

import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime

import psutil
import pytest

from pratique.config import load
from pratique.ledger import open_ledger
from pratique.store import open_store
from pratique.telemetry.collector_status import collector_status
from support.ports import free_port

pytestmark = [pytest.mark.server, pytest.mark.slow]
FORGED = 60_000
REAL_EVERY = 20
COLLECTOR_MB = 256


class Flood:
    """A collector of the service shop, a socket that sends to it, and the most memory seen."""

    def __init__(self, folder, listen_tcp=""):
        self.port, self.folder, self.most_mb = free_port(), folder, 0.0
        (folder / "pratique.toml").write_text(
            f'[telemetry]\nwindow_s = 1\nlisten = "127.0.0.1:{self.port}"\n{listen_tcp}[services.shop]\n'
        )
        self.config = load(folder / "pratique.toml")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.process = psutil.Popen([sys.executable, "-m", "pratique.cli", "collect"], cwd=folder)
        self.until(lambda status: status is not None)

    @property
    def status(self):
        return collector_status(self.config.state_dir)

    def until(self, holds, deadline_s=60.0):
        deadline = time.monotonic() + deadline_s
        while not holds(status := self.status):
            assert time.monotonic() < deadline, status
            assert self.process.poll() is None
            self.most_mb = max(self.most_mb, self.process.memory_info().rss / 1e6)
            time.sleep(0.05)
        return status

    def send(self, **change):
        body = {"t": time.time_ns() // 1_000_000, "s": "shop", "r": "r1", "m": "GET", "p": "/", "c": 200, "d": 1.0}
        text = f"<134>1 2026-01-01T00:00:00Z h pratique - - - {json.dumps(body | change)}"
        self.socket.sendto(text.encode(), ("127.0.0.1", self.port))

    def stored(self):
        self.process.terminate()
        assert self.process.wait(60) == 0
        store = open_store(load(self.folder / "pratique.toml").store)
        return {seen.revision: seen.requests for seen in store.revisions("shop")}

    def close(self):
        self.socket.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def flood(tmp_path):
    found = Flood(tmp_path)
    yield found
    found.close()


def forged(number):
    return {
        "s": "shop" if number % 2 else f"svc{number % 50}",
        "r": f"rev{number}-{'x' * 250}",
        "p": f"/p{number}x/y",
        "h": f"host{number}-{'y' * 250}",
        "c": 100 + number % 500,
    }


def test_flood_of_made_up_names_leaves_memory_bounded_and_real_lines_counted(flood):
    open_ledger(flood.config.state_dir).bind("shop", "r2", "sha256:2")
    for number in range(FORGED):
        flood.send(**forged(number))
        if number % REAL_EVERY == 0:
            # r2 is a release that begins within the flood
            flood.send(r="r2" if number > FORGED // 4 else "r1", h="10.0.0.1:80")
        if number % 2000 == 0:
            # the kernel drops what a busy machine does not read in time
            sent = number + number // REAL_EVERY
            flood.until(lambda status, wanted=sent - 6000: status.received + status.undeclared >= wanted)
    flood.until(lambda status: status.received + status.undeclared >= FORGED + FORGED // REAL_EVERY)
    status = flood.until(lambda status: status.waiting <= 2)
    assert (status.undeclared, status.kernel_dropped) == (FORGED // 2, 0)
    assert "lines of services that are not declared" in status.to_text()
    assert status.folded > FORGED // 4
    assert flood.most_mb < COLLECTOR_MB
    stored = flood.stored()
    assert stored["r2"] == len([n for n in range(0, FORGED, REAL_EVERY) if n > FORGED // 4])
    assert sum(stored.values()) == FORGED // 2 + FORGED // REAL_EVERY
    assert stored["other"] > FORGED // 4
    assert all(name in {"r1", "r2", "other"} or name.startswith("rev") for name in stored)


HTTPLOG = (
    "<134>{header} haproxy[1]: 10.0.0.{host}:4000 [{time}] front shop_r{revision}/s{host} 0/0/0/5/5 200 9 - - ---- 1/1/1/1/0 0/0 "
    '"GET /a{path} HTTP/1.1"'
)


def httplog(number, *, revision=1, path=""):
    now = datetime.now(UTC)
    time_text = f"{now:%d/%b/%Y:%H:%M:%S}.{now.microsecond // 1000:03}"
    return HTTPLOG.format(
        header=f"{now:%b %d %H:%M:%S}", host=number % 250, time=time_text, revision=revision, path=path
    ).encode()


def attack(port, stop, content):
    """Send something again and again over one connection, as fast as it is taken."""
    while not stop.is_set():
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=60) as stranger:
            while not stop.is_set():
                stranger.sendall(content)


@pytest.mark.parametrize(
    "content",
    [b"x" * (1 << 16), b"60000 " + b"y" * 60_000, b"z\n" * (1 << 15), b"<134>1 - - - - - - {" * 3000, b"99999999 "],
    ids=["a line without an end", "frames", "short lines", "a broken line without an end", "wrong counts"],
)
def test_flood_over_tcp_costs_no_line_of_another_sender(tmp_path, content):
    tcp, path = free_port(), tmp_path / "lines.sock"
    settings = f'listen_tcp = "127.0.0.1:{tcp}"\nlisten_unix = "{path}"\n'
    settings += 'httplog = { service = "shop", revision_from = "backend:_(r[0-9]+)" }\n'
    flood, stop = Flood(tmp_path, settings), threading.Event()
    strangers = [threading.Thread(target=attack, args=(tcp, stop, content)) for _ in range(4)]
    for stranger in strangers:
        stranger.start()
    try:
        with (
            socket.create_connection(("127.0.0.1", tcp), timeout=60) as stream,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix,
        ):
            for number in range(500):
                stream.sendall(httplog(number) + b"\n")
                unix.sendto(httplog(number, revision=2), str(path))
                if number % 50 == 0:
                    time.sleep(0.05)
            status = flood.until(lambda status: status.received >= 1000)
        assert status.received == 1000
        assert flood.most_mb < COLLECTOR_MB
    finally:
        stop.set()
        for stranger in strangers:
            stranger.join()
        stored = flood.stored()
        flood.close()
    assert stored == {"r1": 500, "r2": 500}
    assert not (flood.config.state_dir / "lost").exists()


def test_flood_of_httplog_lines_over_udp_and_a_unix_socket_has_a_bound(tmp_path):
    path = tmp_path / "lines.sock"
    settings = f'listen_unix = "{path}"\nhttplog = {{ service = "shop", revision_from = "backend:_(r[0-9]+)" }}\n'
    flood = Flood(tmp_path, settings)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix:
            for number in range(FORGED // 4):
                # every line names its own revision and path
                unix.sendto(httplog(number, revision=number, path=f"/{number}x"), str(path))
                flood.socket.sendto(httplog(number, revision=number, path=f"/{number}y"), ("127.0.0.1", flood.port))
                if number % 15 == 0:
                    unix.sendto(httplog(number, revision=1), str(path))
                if number % 1000 == 0:
                    flood.until(lambda status, wanted=2 * number - 4000: status.received >= wanted)
        real = len(range(0, FORGED // 4, 15))
        flood.until(lambda status: status.received + status.kernel_dropped >= 2 * (FORGED // 4) + real)
        assert flood.most_mb < COLLECTOR_MB
        stored = flood.stored()
        assert stored["r1"] >= real
        assert len(stored) < 150
    finally:
        flood.close()


def test_one_made_up_number_silences_no_sender(flood):
    for number in range(50):
        flood.send(b="boot", q=number)
    flood.send(b="boot", q=2**61)
    for number in range(50, 150):
        flood.send(b="boot", q=number)
    status = flood.until(lambda status: status.received >= 151)
    assert (status.duplicates, status.lost_on_way) == (0, 0)


def test_damaged_file_of_the_collector_is_one_line(flood, tmp_path):
    flood.process.terminate()
    flood.process.wait(60)
    (tmp_path / ".pratique/collector/spool/facts.json").write_text("{")
    done = subprocess.run(
        [sys.executable, "-m", "pratique.cli", "collect"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (65, 1)
    assert "facts.json' is damaged: move the folder" in done.stderr
