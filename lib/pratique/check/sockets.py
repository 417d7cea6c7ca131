"""Check that an address is free to listen on, and name its owner if it is in use."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import psutil

from pratique.errors import DeniedError, UnavailableError, UsageError

ANY = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound


@dataclass(frozen=True)
class Address:
    """An address to listen on: HOST:PORT and its protocol."""

    text: str
    protocol: Literal["tcp", "udp"]

    @property
    def host(self) -> str:
        """The host, an IPv6 address without brackets."""
        return self.text.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self.text.rpartition(":")[2])

    def overlaps(self, other: Address) -> bool:
        """True if only one of the two can be used."""
        same_port = (self.port, self.protocol) == (other.port, other.protocol)
        return same_port and (self.host == other.host or bool({self.host, other.host} & ANY))


def listen_state(address: Address, own_part: Callable[[], str]) -> str:
    """Describe an address as free, or name the part of Pratique that listens there.

    own_part: called when the address is in use; returns the part that listens there, "" if none does.
    Raises: UnavailableError (in use, not of this machine, unknown), DeniedError (a port below 1024).
    """
    try:
        _try(address)
    except socket.gaierror as error:
        raise UnavailableError(f"{address.host!r} cannot be resolved: {error.strerror}: check the name") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE and (part := own_part()):
            return f"{address.text} is in use by {part}"
        raise _refused(address, error) from error
    return f"{address.text} ({address.protocol.upper()}) is free"


def without_a_clash(addresses: Iterable[tuple[str, Address]]) -> None:
    """Check that no two keys name the same address. Raises: UsageError naming both."""
    seen: list[tuple[str, Address]] = []
    for key, address in addresses:
        for other, taken in seen:
            if address.overlaps(taken):
                raise UsageError(f"{other} ({taken.text}) and {key} ({address.text}) overlap: change one of them")
        seen.append((key, address))


def resolved(address: Address) -> str:
    """Return the IP address of a host. Raises: UnavailableError."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise UnavailableError(f"{address.host!r} cannot be resolved: {error.strerror}: check the name") from error
    return str(found[0][4][0])


def _try(address: Address) -> None:
    kind = socket.SOCK_DGRAM if address.protocol == "udp" else socket.SOCK_STREAM
    family, _, _, _, where = socket.getaddrinfo(address.host, address.port, type=kind, flags=socket.AI_PASSIVE)[0]
    with socket.socket(family, kind) as tried:
        if kind == socket.SOCK_STREAM:
            # as servers do: connections that have just ended do not keep the port
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.bind(where)
        if kind == socket.SOCK_STREAM:
            tried.listen()


def _refused(address: Address, error: OSError) -> UnavailableError | DeniedError:
    if error.errno == errno.EADDRINUSE:
        owner = _owner(address) or "another program"
        return UnavailableError(f"{address.text} is in use by {owner}: stop it, or choose another address")
    if error.errno == errno.EACCES:
        return DeniedError(f"{address.text} is refused: only root may listen on ports below 1024")
    if error.errno == errno.EADDRNOTAVAIL:
        return UnavailableError(f"{address.host!r} is not an address of this machine: check it")
    return UnavailableError(f"cannot listen on {address.text}: {os.strerror(error.errno or 0)}")


def _owner(address: Address) -> str:
    """Return the name and number of the process that listens on a port, "" if this user cannot see it."""
    try:
        for found in psutil.net_connections(address.protocol):
            listens = address.protocol == "udp" or found.status == psutil.CONN_LISTEN
            if listens and found.laddr and found.laddr.port == address.port and found.pid:
                return f"{psutil.Process(found.pid).name()} (process {found.pid})"
    except psutil.Error:
        return ""
    return ""
