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
from pratique.runbook.service.acceptance import plain, try_command, try_paths
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


def test_an_error_is_told_with_what_was_answered_on_one_line(instance):
    with pytest.raises(UnavailableError, match=r"r2 at .* failed its acceptance test at '/503': 503 no luck \[2J \|"):
        try_paths(instance, ["/200", "/503"], deadline=soon())


def test_secrets_in_an_error_page_are_masked(instance):
    with pytest.raises(UnavailableError, match=r"503 no \[env:T\] \[2J") as told:
        try_paths(instance, ["/503"], deadline=soon(), masked=lambda text: text.replace("luck", "[env:T]"))
    assert "luck" not in str(told.value)


@pytest.mark.parametrize(
    ("head", "told"),
    [("", r"no answer \(TimeoutError\)"), ("HTTP/1.1 500 Oh\r\nContent-Type: text/event-stream\r\n\r\n", "500 a")],
)
def test_an_answer_that_drips_in_ends_with_the_deadline(instance, head, told):
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
        with pytest.raises(UnavailableError, match=told):
            try_paths(dripping, ["/events", "/more"], deadline=soon(0.6))
        assert time.monotonic() - began < 3
        stop.set()
        thread.join()


def test_a_path_for_which_no_time_is_left_has_failed(instance):
    with pytest.raises(UnavailableError, match="no time left"):
        try_paths(instance, ["/200"], deadline=soon(-1))


def test_no_answer_is_told(instance):
    gone = Instance(**{**vars(instance), "address": "127.0.0.1:1"})
    with pytest.raises(UnavailableError, match=r"no answer \(ConnectionRefusedError\)"):
        try_paths(gone, ["/"], deadline=soon())


def python(code, *more):
    return [sys.executable, "-c", code, *more]


def test_a_command_gets_the_instance_and_passes_with_0(instance, tmp_path):
    code = "import sys, pathlib; pathlib.Path('told').write_text(' '.join(sys.argv[1:]))"
    try_command(
        instance, python(code, "http://{address}/", "{service}", "{revision}"), deadline=soon(), folder=tmp_path
    )
    assert (tmp_path / "told").read_text() == f"http://{instance.address}/ shop r2"


def test_a_command_that_fails_is_told_with_its_last_lines_and_no_secret(instance, tmp_path):
    code = "print('x' * 100000); print('first'); print('token hunter22'); raise SystemExit(3)"
    with pytest.raises(UnavailableError, match=r"ended with 3: .*first \| token \[env:T\]$"):
        try_command(
            instance,
            python(code),
            deadline=soon(),
            folder=tmp_path,
            masked=lambda text: text.replace("hunter22", "[env:T]"),
        )


def test_a_command_that_does_not_end_is_ended_with_its_children(instance, tmp_path):
    child = f"import time; time.sleep(1.5); open({str(tmp_path / 'lived')!r}, 'w')"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); print('on'); time.sleep(60)"
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="did not end in time: on"):
        try_command(instance, python(code), deadline=soon(1.0), folder=tmp_path)
    assert time.monotonic() - began < 5
    time.sleep(1.0)
    assert not (tmp_path / "lived").exists()


def test_a_child_that_keeps_the_output_open_does_not_hold_it_up(instance, tmp_path):
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'])"
    began = time.monotonic()
    try_command(instance, python(code), deadline=soon(20), folder=tmp_path)
    assert time.monotonic() - began < 10


def test_a_child_that_goes_on_talking_does_not_hold_it_up(instance, tmp_path):
    child = "while True: print('on and on', flush=True)"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(0.5)"
    began = time.monotonic()
    try_command(instance, python(code), deadline=soon(2), folder=tmp_path)
    assert time.monotonic() - began < 6


def test_a_command_that_is_not_there_is_told(instance, tmp_path):
    with pytest.raises(UnavailableError, match="'/no/such' cannot be run: No such file"):
        try_command(instance, ["/no/such"], deadline=soon(), folder=tmp_path)


def test_text_of_strangers_comes_on_one_line():
    assert plain("a\x1b[31m\tb\r\n\n c \x00") == "a [31m b | c"


@pytest.mark.parametrize("path", ["no-slash", "/with space", "/line\nbreak", "/r\u00e9"])
def test_a_path_that_cannot_be_a_request_line_is_refused(path):
    with pytest.raises(ValueError, match="acceptance"):
        RolloutSettings(acceptance_paths=(path,))
