"""The collector as a process: after a kill it loses no line older than a second, and counts none twice."""

import json
import random
import signal
import socket
import subprocess
import sys
import time

import pytest

from pratique.telemetry.collector_status import collector_status
from support.collector_stack import Sender, Stack
from support.ports import free_port

pytestmark = pytest.mark.server


@pytest.fixture
def stack(tmp_path):
    made = Stack(tmp_path, free_port())
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


@pytest.fixture
def sender(stack):
    made = Sender(stack.port)
    yield made
    made.close()


def test_repeated_kills_lose_and_double_no_line_older_than_a_second(stack, sender):
    draw = random.Random(11)
    kept = 0
    unsure = 0
    for _ in range(5):
        stack.start()
        sender.send(count := draw.randrange(50, 400), revision="r1")
        kept += count
        stack.until_durable(count)
        sender.send(fresh := draw.randrange(1, 200), revision="r2", code=503)
        unsure += fresh
        time.sleep(draw.random() * 0.8)
        stack.kill()
    stack.start()
    stack.stop()
    counts = stack.counts()
    assert counts["r1", 200] == kept
    assert counts["r2", 503] <= unsure


def test_restart_within_a_window_keeps_its_first_half(stack, sender):
    stack.start()
    for _ in range(2):
        sender.send(40)
        stack.until(lambda s: s.received >= 40)
        stack.stop()
        stack.start()
    stack.stop()
    assert stack.counts()["r1", 200] == 80


def test_late_lines_count_in_their_window_and_later_ones_as_late(stack, sender):
    stack.start()
    sender.send(5, age_ms=30_000)
    sender.send(3, age_ms=-60_000)
    sender.send(7)
    status = stack.until(lambda s: s.received >= 12 and s.future >= 3)
    assert status.late == 0
    stack.stop()
    assert stack.counts()["r1", 200] == 12


def test_line_beyond_the_limit_is_late_and_its_window_unchanged(tmp_path, stack, sender):
    late = Stack(tmp_path, stack.port, late_s=4)
    stack.file, stack.config = late.file, late.config
    stack.start()
    sender.send(10)
    first = time.time()
    while time.time() < first + 5.6:
        sender.send(1, revision="r2")
        time.sleep(0.05)
    sender.send(4, age_ms=int((time.time() - first) * 1000))
    status = stack.until(lambda s: s.late >= 4)
    assert f"{status.late} lines came after their window had closed" in " ".join(status.notes())
    stack.stop()
    assert stack.counts()["r1", 200] == 10


def test_repeated_lost_and_hostile_datagrams_are_distinguished(stack, sender):
    stack.start()
    again = sender.datagram()
    for _ in range(3):
        sender.raw(again)
    lost = sender.datagram()
    sender.send(1)
    for junk in (
        b"",
        b"\xff" * 100,
        b"<14>1 - - - - - - {",
        b"<134>1 2026-11-20T00:00:00Z h a - access - {}",
        lost[:-20],
    ):
        sender.raw(junk)
    status = stack.until(lambda s: s.malformed >= 5)
    assert (status.received, status.duplicates, status.lost_on_way, status.malformed) == (2, 2, 1, 5)
    sender.raw(lost)
    assert stack.until(lambda s: s.received == 3).lost_on_way == 0
    stack.stop()


def test_garbage_of_a_stranger_is_named_and_lost_to_no_service(stack, sender):
    stack.file.write_text(stack.file.read_text() + "[services.shop]\n")
    stack.start()
    sender.send(1000)
    broken = sender.datagram()[:-20]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(50):
            stranger.sendto(b"<14>1 - - - - - - {", ("127.0.0.1", stack.port))
        assert stack.until(lambda s: s.malformed == 50).unread_from == {"127.0.0.1": 50}
        assert not (stack.config.state_dir / "lost").exists()
        shown = subprocess.run(
            [sys.executable, "-m", "pratique.cli", "status", "shop", "--config", stack.file],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        assert "50 messages were not access lines (50 from 127.0.0.1)" in shown
        for _ in range(20):
            sender.raw(broken)
        stack.until(lambda s: s.malformed == 70)
    stack.stop()
    entries = json.loads((stack.config.state_dir / "lost/shop.json").read_text())
    assert [entry["lost"] for entry in entries.values()] == [{"not an access line": 20}]


def test_datagrams_dropped_by_the_kernel_are_reported(stack, sender):
    stack.start()
    stack.process.send_signal(signal.SIGSTOP)
    datagram = sender.datagram() + b" " * 60_000
    for _ in range(3000):
        sender.raw(datagram)
    stack.process.send_signal(signal.SIGCONT)
    status = stack.until(lambda s: s.kernel_dropped > 0)
    assert any("dropped by the kernel" in note for note in status.notes())
    stack.stop()


def test_stopped_collector_is_not_alive(stack):
    stack.start()
    assert collector_status(stack.config.state_dir).alive
    stack.stop()
    assert not collector_status(stack.config.state_dir).alive
    stack.start()
    assert collector_status(stack.config.state_dir).alive


def test_a_killed_collector_is_dead_at_once(stack):
    stack.start()
    stack.until(lambda s: s.alive)
    stack.process.kill()
    stack.process.wait()
    status = collector_status(stack.config.state_dir)
    assert (status.fresh, status.alive) == (True, False)


def test_second_collector_of_a_state_folder_is_refused(stack):
    stack.start()
    second = subprocess.run(
        [sys.executable, "-m", "pratique.cli", "collect", "--config", stack.file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 75
    assert f"process {stack.process.pid}" in second.stderr
    stack.stop()


def test_store_that_cannot_be_written_loses_nothing(stack, tmp_path, sender):
    blocker = tmp_path / ".pratique" / "store"
    blocker.parent.mkdir()
    blocker.write_text("not a folder")
    stack.start()
    sender.send(25)
    assert "cannot write" in " ".join(stack.until(lambda s: s.error is not None).notes())
    stack.kill()
    blocker.unlink()
    stack.start()
    stack.stop()
    assert stack.counts()["r1", 200] == 25
