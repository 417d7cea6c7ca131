"""An engine that answers without end, or a byte now and then: it costs bounded memory and time, and holds nobody up."""

import json
import socket
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pratique.config.doctor import DoctorSettings
from pratique.doctor.facts import engine as engine_module
from pratique.doctor.facts.model import PartStore
from pratique.doctor.facts.read import read_hosts

CONTAINER = {"Id": "a" * 64, "Name": "/x", "Image": "sha256:b", "State": {"Running": True, "Pid": 1}}
ANSWERS = {
    "/version": {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20"},
    "/info": {"DockerRootDir": "/var/lib/docker", "SystemTime": "2026-11-30T16:30:31.9Z"},
    "/containers/json": [{"Id": CONTAINER["Id"]}],
    f"/containers/{CONTAINER['Id']}/json": CONTAINER,
}
ENDLESS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


@contextmanager
def hostile_engine(path, chunk, pause_s):
    """The address of an engine that answers as it should, except that one path gets chunks without end."""
    folder = Path(tempfile.mkdtemp(prefix="eng-"))

    def serve(connection):
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            while line := lines.readline():
                while lines.readline() not in {b"\r\n", b""}:
                    pass
                asked = line.split()[1].decode().partition("?")[0]
                if asked.endswith(path):
                    connection.sendall(ENDLESS)
                    while True:
                        connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                        time.sleep(pause_s)
                told = next((answer for end, answer in ANSWERS.items() if asked.endswith(end)), [])
                body = json.dumps(told).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)

    def accept(server):
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=[server.accept()[0]], daemon=True).start()

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "docker.sock"))
        server.listen()
        threading.Thread(target=accept, args=[server], daemon=True).start()
        yield f"unix://{folder}/docker.sock"
        server.shutdown(socket.SHUT_RDWR)


def test_an_answer_without_end_is_given_up_and_the_other_parts_are_read(monkeypatch):
    monkeypatch.setattr(engine_module, "LARGEST_ANSWER", 1 << 20)
    store = PartStore()
    with hostile_engine("/images/json", b" " * 65_536, 0) as address:
        engine_module.read_engine(address, store, timeout_s=10)
    assert store.missing["images"] == "the engine's answer is longer than 1 MB"
    assert "containers" in store.parts
    assert "networks" in store.parts


@pytest.mark.slow
def test_an_engine_that_sends_a_byte_now_and_then_holds_up_nobody():
    settings = DoctorSettings(timeout_s=3, request_timeout_s=2)
    with hostile_engine("/top", b" ", 0.1) as address:
        before = set(threading.enumerate())
        started = time.monotonic()
        (facts,) = read_hosts([address], settings, {})
        took_s = time.monotonic() - started
        reading = set(threading.enumerate()) - before
    assert took_s < 10
    assert facts.missing["inside"] == "no answer within 3 s"
    assert reading
    # a thread that is no daemon would keep the process for ever
    assert all(thread.daemon for thread in reading)
