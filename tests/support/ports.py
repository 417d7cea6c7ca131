"""Ports for servers of tests: below the range of outgoing connections, and each port only once."""

import os
import random
import socket

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw9").removeprefix("gw")) % 10
_PORTS = [port for port in range(10_000, 18_000) if port % 10 == WORKER]
random.Random(os.getpid()).shuffle(_PORTS)


def free_port():
    """A port of 127.0.0.1 that is free for TCP and UDP."""
    while True:
        port = _PORTS.pop()
        if all(_is_free(kind, port) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
            return port


def _is_free(kind, port):
    with socket.socket(socket.AF_INET, kind) as tried:
        if kind == socket.SOCK_STREAM:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
