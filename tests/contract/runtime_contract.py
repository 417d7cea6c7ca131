"""The contract of every runtime, tested on real engines. The test file of a runtime inherits RuntimeContract and
defines the fixture `place`: an object with

    runtime         the runtime
    again()         another client of it, as another process has
    release(name)   a Release of that name, of the server in `SERVER`; MODE is part of its environment
    kill(instance)  kill the instance, as a crash does

When the fixture ends, everything that it started must have stopped.
"""

from __future__ import annotations

import http.client
import threading
import time

import pytest

from pratique.errors import UnavailableError
from support.waiting import eventually

# its answers show MODE, revision and run; a request for /slow takes a second and finishes after SIGTERM
SERVER = """
import os, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
MODE = os.environ.get("MODE", "")
if MODE == "crash":
    print("no such table: carts", flush=True)
    sys.exit(3)
class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass
    def do_GET(self):
        if self.path == "/slow":
            print("slow", flush=True)
            time.sleep(1)
        content = f"{MODE} {os.environ['PRATIQUE_REVISION']} {os.environ['PRATIQUE_RUN']}".encode()
        self.send_response(503 if MODE == "never ready" else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
class Server(ThreadingHTTPServer):
    daemon_threads = False
server = Server(("", int(sys.argv[1])), Handler)
def stop(*_):
    threading.Thread(target=server.shutdown).start()
signal.signal(signal.SIGTERM, signal.SIG_IGN if MODE == "deaf" else stop)
print("listening", flush=True)
server.serve_forever()
server.server_close()
"""


def get(instance, path="/"):
    connection = http.client.HTTPConnection(instance.address, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def start_and_wait(runtime, release):
    for instance in runtime.start(release, run="run-1", role="canary"):
        runtime.wait_ready(instance, deadline_s=60)


class RuntimeContract:
    """Inherited by the tests of each runtime."""

    def test_a_ready_instance_answers(self, place):
        (instance,) = place.runtime.start(place.release("r1"), run="run-1", role="canary")
        place.runtime.wait_ready(instance, deadline_s=60)
        assert get(instance) == (200, " r1 run-1")

    def test_every_process_lists_the_running_instances_with_their_labels(self, place):
        started = place.runtime.start(place.release("r1"), run="run-1", role="baseline", count=2)
        assert sorted(i.id for i in place.again().list("shop")) == sorted(i.id for i in started)
        found = place.again().list()[0]
        assert (found.service, found.revision, found.run, found.role) == ("shop", "r1", "run-1", "baseline")
        assert place.again().list("another") == []

    def test_starting_again_returns_the_running_instances(self, place):
        first = place.runtime.start(place.release("r1"), run="run-1", role="canary", count=2)
        assert {i.id for i in place.again().start(place.release("r1"), run="run-1", role="canary", count=2)} == {
            i.id for i in first
        }
        assert len(place.runtime.list("shop")) == 2

    def test_it_starts_on_the_given_hosts_only(self, place):
        assert place.runtime.hosts
        (instance,) = place.runtime.start(
            place.release("r1"), run="run-1", role="canary", hosts=place.runtime.hosts[:1]
        )
        assert [found.id for found in place.again().list("shop")] == [instance.id]

    def test_another_run_revision_or_role_starts_its_own_instances(self, place):
        for revision, run, role in [
            ("r1", "a", "canary"),
            ("r1", "b", "canary"),
            ("r2", "a", "canary"),
            ("r1", "a", "baseline"),
        ]:
            place.runtime.start(place.release(revision), run=run, role=role)
        found = place.runtime.list("shop")
        assert len({i.address for i in found}) == len(found) == 4

    def test_a_dead_instance_is_replaced_and_the_other_one_kept(self, place):
        first = place.runtime.start(place.release("r1"), run="run-1", role="canary", count=2)
        place.kill(first[0])
        eventually(lambda: len(place.runtime.list("shop")) == 1)
        second = place.runtime.start(place.release("r1"), run="run-1", role="canary", count=2)
        assert first[1].id in {i.id for i in second}
        assert first[0].id not in {i.id for i in second}

    def test_stopping_an_exited_instance_removes_it(self, place):
        instance, kept = place.runtime.start(place.release("r1"), run="run-1", role="canary", count=2)
        place.kill(instance)
        eventually(lambda: instance.id not in {i.id for i in place.runtime.list("shop")})
        for ended in place.runtime.exited("shop"):
            assert (ended.id, ended.address) == (instance.id, instance.address)
            place.runtime.stop(ended, drain_s=0)
        assert place.runtime.exited("shop") == []
        assert kept.id in {i.id for i in place.runtime.list("shop")}

    def test_a_crash_before_ready_is_reported_immediately_with_the_last_log_lines(self, place):
        with pytest.raises(UnavailableError, match=r"exited.*no such table: carts"):
            start_and_wait(place.runtime, place.release("r1", MODE="crash"))
        for left in place.runtime.list("shop"):
            place.runtime.stop(left, drain_s=0)
        place.runtime.remove_exited("shop", "run-1")
        eventually(lambda: place.runtime.list("shop") == [])

    def test_an_instance_that_is_not_ready_is_reported_after_the_deadline_with_the_last_log_lines(
        self, place, monkeypatch
    ):
        monkeypatch.setattr("pratique.runtime.probe.PROBE_TIMEOUT_S", 60.0)
        (instance,) = place.runtime.start(place.release("r1", MODE="never ready"), run="run-1", role="canary")
        eventually(lambda: "listening" in place.runtime.logs(instance))
        with pytest.raises(UnavailableError, match=r"503.*listening"):
            place.runtime.wait_ready(instance, deadline_s=0.5)

    def test_stopping_waits_for_requests_in_flight(self, place):
        (instance,) = place.runtime.start(place.release("r1"), run="run-1", role="canary")
        place.runtime.wait_ready(instance, deadline_s=60)
        answers = []
        client = threading.Thread(target=lambda: answers.append(get(instance, "/slow")))
        client.start()
        eventually(lambda: "slow" in place.runtime.logs(instance))
        place.runtime.stop(instance, drain_s=60)
        client.join()
        assert answers == [(200, " r1 run-1")]
        assert place.runtime.list("shop") == []

    def test_an_instance_that_ignores_sigterm_is_killed_after_the_drain(self, place):
        (instance,) = place.runtime.start(place.release("r1", MODE="deaf"), run="run-1", role="canary")
        place.runtime.wait_ready(instance, deadline_s=60)
        began = time.monotonic()
        place.runtime.stop(instance, drain_s=0.5)
        assert 0.4 < time.monotonic() - began < 100
        assert place.runtime.list("shop") == []

    def test_stopping_an_instance_that_no_longer_exists_is_not_an_error(self, place):
        (instance,) = place.runtime.start(place.release("r1"), run="run-1", role="canary")
        place.runtime.stop(instance, drain_s=0)
        place.again().stop(instance, drain_s=0)

    def test_logs_are_the_last_lines(self, place):
        (instance,) = place.runtime.start(place.release("r1"), run="run-1", role="canary")
        place.runtime.wait_ready(instance, deadline_s=60)
        assert "listening" in place.again().logs(instance, lines=5)
