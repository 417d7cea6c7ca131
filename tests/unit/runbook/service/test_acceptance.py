import contextlib
import socket
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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


def soon(seconds=10.0):
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


@pytest.mark.parametrize(
    ("head", "expected"),
    [("", r"no answer \(TimeoutError\)"), ("HTTP/1.1 500 Oh\r\nContent-Type: text/event-stream\r\n\r\n", "500 a")],
)
@pytest.mark.slow
def test_a_slow_answer_ends_at_the_deadline(instance, head, expected):
    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = Instance(**{**vars(instance), "address": f"127.0.0.1:{server.getsockname()[1]}"})
        stop = threading.Event()

        def drip():
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(head.encode())
                while not stop.wait(0.05):
                    connection.sendall(b"a")

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        with pytest.raises(UnavailableError, match=expected):
            try_paths(dripping, ["/events", "/more"], deadline=soon(0.6))
        assert time.monotonic() - began < 20
        stop.set()
        thread.join()


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


@pytest.mark.slow
def test_a_command_that_hangs_is_killed_with_its_children(instance, tmp_path):
    child = f"import time; time.sleep(1.5); open({str(tmp_path / 'lived')!r}, 'w')"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); print('on'); time.sleep(60)"
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="did not finish in time: on"):
        try_command(instance, python(code), deadline=soon(1.0), folder=tmp_path)
    assert time.monotonic() - began < 30
    time.sleep(1.0)
    assert not (tmp_path / "lived").exists()


def test_a_child_that_keeps_the_output_open_does_not_delay_the_result(instance, tmp_path):
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'])"
    began = time.monotonic()
    try_command(instance, python(code), deadline=soon(20), folder=tmp_path)
    assert time.monotonic() - began < 25


@pytest.mark.slow
def test_a_child_that_keeps_writing_does_not_delay_the_result(instance, tmp_path):
    child = "while True: print('on and on', flush=True)"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(0.5)"
    began = time.monotonic()
    try_command(instance, python(code), deadline=soon(2), folder=tmp_path)
    assert time.monotonic() - began < 30


def test_a_missing_command_is_an_error(instance, tmp_path):
    with pytest.raises(UnavailableError, match="cannot run the acceptance test '/no/such': No such file"):
        try_command(instance, ["/no/such"], deadline=soon(), folder=tmp_path)


def test_untrusted_text_becomes_one_line():
    assert plain("a\x1b[31m\tb\r\n\n c \x00") == "a [31m b | c"


@pytest.mark.parametrize("path", ["no-slash", "/with space", "/line\nbreak", "/r\u00e9"])
def test_a_path_that_is_no_request_target_is_refused(path):
    with pytest.raises(ValueError, match="acceptance"):
        RolloutSettings(acceptance_paths=(path,))
