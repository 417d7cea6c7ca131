"""The collector's sockets."""

import socket
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from pratique.telemetry import receivers
from pratique.telemetry.loss_counts import UNIX
from pratique.telemetry.receivers import Receivers
from support.ports import free_port
from support.waiting import eventually


@pytest.fixture
def listening(monkeypatch):
    """Receivers for at most two connections, and the messages received."""
    monkeypatch.setattr(receivers, "MAX_CONNECTIONS", 2)
    taken, tcp = [], f"127.0.0.1:{free_port()}"
    found = Receivers(
        SimpleNamespace(listen="127.0.0.1:0", listen_unix="", listen_tcp=tcp, allow=["127.0.0.0/8"]),
        lambda message, _: taken.append(message),
    )
    yield found, taken, ("127.0.0.1", int(tcp.rpartition(":")[2]))
    found.close()


def test_connection_closed_for_a_newer_one_may_have_unread_data(listening):
    found, taken, address = listening
    with socket.create_connection(address) as oldest, socket.create_connection(address) as second:
        while found.connections < 2:
            found.wait(1)
        with socket.create_connection(address) as newest:
            oldest.sendall(b"<14>1 - - - - - - oldest\n")
            second.sendall(b"<14>1 - - - - - - second\n")
            newest.sendall(b"<14>1 - - - - - - newest\n")
            while not any(line.endswith(b"newest") for line in taken):
                found.wait(1)
    assert found.connections == 2
    assert found.refused == 1


def wait_until(found, holds):
    eventually(holds, pause=found.wait)


def test_silent_strangers_are_closed_before_a_sender_of_messages(listening):
    found, taken, address = listening
    with socket.create_connection(address) as good, ExitStack() as strangers:
        good.sendall(b"<14>1 - - - - - - good\n")
        wait_until(found, lambda: taken)
        for _ in range(5):
            silent = strangers.enter_context(socket.create_connection(address))
            silent.sendall(b"60000 begun")
            found.wait(1)
        wait_until(found, lambda: found.refused == 4)
        good.sendall(b"<14>1 - - - - - - again\n")
        wait_until(found, lambda: len(taken) == 2)
    assert taken[1].endswith(b"again")


@pytest.mark.slow
def test_message_that_is_not_completed_in_time_ends_its_connection(listening, monkeypatch):
    found, _, address = listening
    monkeypatch.setattr(receivers, "FRAME_S", 0.2)
    with socket.create_connection(address) as begun, socket.create_connection(address) as idle:
        wait_until(found, lambda: found.connections == 2)
        begun.sendall(b"60000 begun")
        wait_until(found, lambda: found.connections == 1)
        assert begun.recv(1) == b""
        idle.sendall(b"<14>1 - - - - - - idle\n")
        wait_until(found, lambda: found.connections == 1)
    assert found.refused == 1


def test_senders_outside_the_allowed_networks_are_counted_and_not_read():
    taken, tcp = [], f"127.0.0.1:{free_port()}"
    settings = SimpleNamespace(listen="127.0.0.1:0", listen_unix="", listen_tcp=tcp, allow=["10.0.0.0/8"])
    found = Receivers(settings, lambda message, _: taken.append(message))
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"<14>1 - - - - - - x", found._udp.getsockname())
            wait_until(found, lambda: found.not_allowed == 1)
        with socket.create_connection(("127.0.0.1", int(tcp.rpartition(":")[2]))) as stream:
            wait_until(found, lambda: found.not_allowed == 2)
            assert stream.recv(1) == b""
    finally:
        found.close()
    assert taken == []


def test_each_message_comes_with_its_sender(tmp_path):
    senders, tcp, path = [], f"127.0.0.1:{free_port()}", tmp_path / "lines.sock"
    settings = SimpleNamespace(listen="127.0.0.1:0", listen_unix=str(path), listen_tcp=tcp, allow=["127.0.0.0/8"])
    found = Receivers(settings, lambda _, sender: senders.append(sender))
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix,
            socket.create_connection(("127.0.0.1", int(tcp.rpartition(":")[2]))) as stream,
        ):
            for send in (
                lambda: udp.sendto(b"<14>1 - - - - - - x", found._udp.getsockname()),
                lambda: unix.sendto(b"<14>1 - - - - - - x", str(path)),
                lambda: stream.sendall(b"<14>1 - - - - - - x\n"),
            ):
                before = len(senders)
                send()
                wait_until(found, lambda before=before: len(senders) > before)
            assert senders == [("127.0.0.1", udp.getsockname()[1]), UNIX, stream.getsockname()]
    finally:
        found.close()
