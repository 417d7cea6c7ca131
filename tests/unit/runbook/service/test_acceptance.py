import contextlib
import os
import select
import socket
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pratique.config import RolloutSettings
from pratique.errors import UnavailableError
from pratique.runbook.engine.console import plain
from pratique.runbook.service.acceptance import try_command, try_paths
from pratique.runtime.base import Instance


class Answers(BaseHTTPRequestHandler):
    """Answers /200 with 200, and so on."""

    def do_GET(self):
        self.send_response(int(self.path[1:4]))
        self.send_header("Content-Length", "30")
        self.end_headers()
        self.wfile.write(b"no luck\x1b[2J\r\nwith your request"[:30].ljust(30))

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def instance():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Instance("1", "shop", "r2", "one", "canary", f"127.0.0.1:{server.server_port}", datetime.now(UTC))
        server.shutdown()
        thread.join()


def soon(seconds=60.0):
    return time.monotonic() + seconds


def test_answers_below_400_pass(instance):
    try_paths(instance, ["/200", "/302?x=1"], deadline=soon())


def test_the_error_shows_the_answer_on_one_line(instance):
    with pytest.raises(UnavailableError, match=r"r2 at .* failed its acceptance test at '/503': 503 no luck \[2J \|"):
        try_paths(instance, ["/200", "/503"], deadline=soon())


def test_secrets_in_an_error_page_are_masked(instance):
    with pytest.raises(UnavailableError, match=r"503 no \[env:T\] \[2J") as raised:
        try_paths(instance, ["/503"], deadline=soon(), masked=lambda text: text.replace("luck", "[env:T]"))
    assert "luck" not in str(raised.value)


@pytest.fixture
def dripping(instance):
    """Starts a server that sends `head` and then one byte after the other; it calls `sent` after some of them."""
    stop, threads = threading.Event(), []

    def start(head, sent=lambda: None):
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(60)

        def drip():
            with server, server.accept()[0] as connection, contextlib.suppress(OSError):
                connection.recv(4096)
                connection.sendall(head + b"aaa")
                sent()
                while not stop.wait(0.05):
                    connection.sendall(b"a")

        threads.append(threading.Thread(target=drip))
        threads[-1].start()
        return Instance(**{**vars(instance), "address": f"127.0.0.1:{server.getsockname()[1]}"})

    yield start
    stop.set()
    for thread in threads:
        thread.join()


def test_a_slow_answer_ends_at_the_deadline(dripping):
    began = time.monotonic()
    with pytest.raises(UnavailableError, match=r"'/events': no answer \(TimeoutError\)"):
        try_paths(dripping(b""), ["/events", "/more"], deadline=soon(0.2))
    assert time.monotonic() - began < 60


def test_a_slow_error_page_is_shown_as_far_as_it_came_by_the_deadline(dripping, monkeypatch):
    sent = threading.Event()

    class DeadlineAfterTheHead(threading.Timer):
        def run(self):
            sent.wait(60)
            self.function()

    monkeypatch.setattr("pratique.runtime.probe.threading.Timer", DeadlineAfterTheHead)
    head = b"HTTP/1.1 500 Oh\r\nContent-Type: text/event-stream\r\n\r\n"
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="'/events': 500 aaa"):
        try_paths(dripping(head, sent.set), ["/events", "/more"], deadline=soon(120))
    assert time.monotonic() - began < 100


def test_a_path_without_time_left_fails(instance):
    with pytest.raises(UnavailableError, match="no time left"):
        try_paths(instance, ["/200"], deadline=soon(-1))


def test_no_answer_is_an_error(instance):
    gone = Instance(**{**vars(instance), "address": "127.0.0.1:1"})
    with pytest.raises(UnavailableError, match=r"no answer \(ConnectionRefusedError\)"):
        try_paths(gone, ["/"], deadline=soon())


def python(code, *more):
    return [sys.executable, "-c", code, *more]


def test_a_command_gets_the_instance_and_passes_with_exit_status_0(instance, tmp_path):
    code = "import sys, pathlib; pathlib.Path('arguments').write_text(' '.join(sys.argv[1:]))"
    try_command(
        instance, python(code, "http://{address}/", "{service}", "{revision}"), deadline=soon(), folder=tmp_path
    )
    assert (tmp_path / "arguments").read_text() == f"http://{instance.address}/ shop r2"


def test_a_failed_command_shows_its_last_lines_without_secrets(instance, tmp_path):
    code = "print('x' * 100000); print('first'); print('token hunter22'); raise SystemExit(3)"
    with pytest.raises(UnavailableError, match=r"exited with 3: .*first \| token \[env:T\]$"):
        try_command(
            instance,
            python(code),
            deadline=soon(),
            folder=tmp_path,
            masked=lambda text: text.replace("hunter22", "[env:T]"),
        )


class Clock:
    """A clock that moves one second with each look at it, as soon as a condition holds."""

    def __init__(self, monkeypatch, condition):
        self.now, self.condition = 0, condition
        monkeypatch.setattr("pratique.runbook.service.acceptance.time.monotonic", self)

    def __call__(self):
        self.now += self.condition()
        return self.now


def test_a_command_that_hangs_is_killed_with_its_children(instance, tmp_path, monkeypatch):
    held = tmp_path / "held"
    os.mkfifo(held)
    reading = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    child = f"import time; held = open({str(held)!r}, 'w'); open('started', 'w'); time.sleep(120)"
    code = f"import subprocess, sys, time; print('on', flush=True); subprocess.run([sys.executable, '-c', {child!r}])"
    Clock(monkeypatch, (tmp_path / "started").exists)
    with pytest.raises(UnavailableError, match="did not finish in time: on"):
        try_command(instance, python(code), deadline=3, folder=tmp_path)
    # the end of the pipe: the child, which held it open, is gone
    assert select.select([reading], [], [], 60)[0]
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_a_child_that_keeps_the_output_open_does_not_delay_the_result(instance, tmp_path):
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(200)'])"
    began = time.monotonic()
    try_command(instance, python(code), deadline=soon(100), folder=tmp_path)
    assert time.monotonic() - began < 90


def test_a_child_that_keeps_writing_does_not_delay_the_result(instance, tmp_path, monkeypatch):
    child = "while True: print('on and on', flush=True)"
    code = (
        f"import os, subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]);"
        " os.write(os.open('pid', os.O_CREAT | os.O_WRONLY), str(os.getpid()).encode())"
    )

    def exit_was_seen():
        pid = (tmp_path / "pid").read_text() if (tmp_path / "pid").exists() else ""
        return bool(pid) and not Path("/proc", pid).exists()

    Clock(monkeypatch, exit_was_seen)
    try_command(instance, python(code), deadline=3, folder=tmp_path)


def test_a_missing_command_is_an_error(instance, tmp_path):
    with pytest.raises(UnavailableError, match="cannot run the acceptance test '/no/such': No such file"):
        try_command(instance, ["/no/such"], deadline=soon(), folder=tmp_path)


def test_untrusted_text_becomes_one_line():
    assert plain("a\x1b[31m\tb\r\n\n c \x00") == "a [31m b | c"


@pytest.mark.parametrize("path", ["no-slash", "/with space", "/line\nbreak", "/r\u00e9"])
def test_a_path_that_is_no_request_target_is_refused(path):
    with pytest.raises(ValueError, match="acceptance"):
        RolloutSettings(acceptance_paths=(path,))
