"""The collector's sockets."""

import socket
from types import SimpleNamespace

import pytest

from pratique.telemetry import receivers
from pratique.telemetry.receivers import Receivers
from support.ports import free_port


@pytest.fixture
def listening(monkeypatch):
    """Receivers for at most two connections, and the messages received."""
    monkeypatch.setattr(receivers, "MAX_CONNECTIONS", 2)
    taken, tcp = [], f"127.0.0.1:{free_port()}"
    found = Receivers(SimpleNamespace(listen="127.0.0.1:0", listen_unix="", listen_tcp=tcp), taken.append)
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
