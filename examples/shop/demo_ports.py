"""The demo's own copy of a service file, with free ports in place of those that another program uses."""

import re
import socket
from pathlib import Path

ADDRESS = re.compile(r'^(listen|control) = "127\.0\.0\.1:(\d+)"$', re.MULTILINE)


def copy_with_free_ports(config: Path, copy: Path, *, state: Path) -> str:
    """Write the copy; return the address of the balancer, "host:port".

    The copy is in another folder, so its paths are absolute. A port that is free stays as it is.
    """
    taken: set[int] = set()

    def address(match: re.Match[str]) -> str:
        port = _free(int(match[2]), taken)
        if port != int(match[2]):
            print(f"port {match[2]} is in use by another program: the demo uses {port} instead", flush=True)
        return f'{match[1]} = "127.0.0.1:{port}"'

    text = ADDRESS.sub(address, config.read_text(encoding="utf-8"))
    text = text.replace('releases = "releases"', f'releases = "{config.parent / "releases"}"')
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(f'state = "{state}"\n{text}', encoding="utf-8")
    _, balancer = text.split(".balancer]", maxsplit=1)
    found = ADDRESS.search(balancer)
    if found is None:
        raise ValueError(f"{config} has no address of its balancer: add listen to [services.shop.balancer]")
    return f"127.0.0.1:{found[2]}"


def free_port() -> int:
    """Return a TCP port that no program uses."""
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return int(any_port.getsockname()[1])


def _free(port: int, taken: set[int]) -> int:
    """Return this port, or another one where it is in use; remember it in `taken`."""
    while port in taken or not all(_is_free(kind, port) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
        port = free_port()
    taken.add(port)
    return port


def _is_free(kind: socket.SocketKind, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as tried:
        if kind == socket.SOCK_STREAM:
            # a connection that was closed a moment ago does not occupy the port
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
