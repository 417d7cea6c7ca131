"""The sockets of the collector: UDP, and optionally TCP and a unix socket, in one loop without threads."""

from __future__ import annotations

import errno
import os
import resource
import selectors
import socket
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pratique.config import TelemetrySettings
from pratique.errors import UnavailableError
from pratique.telemetry.allowed import AllowedSenders
from pratique.telemetry.framing import Frames
from pratique.telemetry.loss_counts import UNIX, Sender

RECEIVE_BUFFER = 32 << 20
"""Bytes that the kernel buffers for each datagram socket, if it allows them."""
MAX_DATAGRAMS = 2000
"""Datagrams read from a socket before the next socket has its turn."""
MAX_CONNECTIONS = 500
"""Open TCP connections, each with a buffer. For one more, the oldest that never completed a message is closed; when all
have completed one, the one idle for longest."""
FRAME_S = 10.0
"""Time to complete a message that has begun, over TCP."""
FILES_KEPT = 128
"""Open files that are not for connections: store, spool, container logs."""
CHUNK = 1 << 16
"""Bytes read from a TCP connection at a time."""
MAX_SOCKET_PATH = 107
"""Longest path of a unix socket in bytes, on Linux."""


Addresses = tuple[str, str, str]
"""UDP address, path of a unix socket or "", TCP address or ""."""


@dataclass
class _Stream:
    """A TCP connection. begun: when its unfinished message began, monotonic; None between messages."""

    sender: Sender
    frames: Frames = field(default_factory=Frames)
    completed: bool = False
    begun: float | None = None


class Receivers:
    """All sockets of the collector; each message is passed to `take`, with its sender."""

    def __init__(
        self, settings: TelemetrySettings, take: Callable[[bytes, Sender], None], *, listen: str | None = None
    ) -> None:
        """listen: UDP address in place of that of the settings. Raises: UnavailableError when an address is in use."""
        self._take = take
        self.framing_errors = 0
        self.refused = 0
        self.not_allowed = 0
        self._allowed = AllowedSenders(settings.allow)
        self._most = min(MAX_CONNECTIONS, max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - FILES_KEPT))
        self._looked = 0.0
        self._open(_addresses(settings, listen))

    def _open(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._selector = selectors.DefaultSelector()
        self._datagrams: list[socket.socket] = []
        self._streams: dict[socket.socket, _Stream] = {}
        self._listener: socket.socket | None = None
        self._path: Path | None = None
        udp, unix, tcp = addresses
        self._udp = _udp(udp)
        self._add(self._udp)
        try:
            if unix:
                self._add(_unix(Path(unix)))
                self._path = Path(unix)
            if tcp:
                self._listener = _tcp(tcp)
                self._selector.register(self._listener, selectors.EVENT_READ)
        except BaseException:
            self.close()
            raise

    def move(self, settings: TelemetrySettings, *, listen: str | None = None) -> None:
        """Receive at other addresses from now on; the sockets of unchanged addresses stay open only if all are unchanged.

        Raises: UnavailableError when an address is in use; then the old addresses are open again.
        """
        before, wanted = self._addresses, _addresses(settings, listen)
        self._allowed = AllowedSenders(settings.allow)
        if wanted == before:
            return
        self.drain()
        self.close()
        try:
            self._open(wanted)
        except UnavailableError:
            self._open(before)
            raise

    def _add(self, receiver: socket.socket) -> None:
        self._datagrams.append(receiver)
        self._selector.register(receiver, selectors.EVENT_READ)

    @property
    def connections(self) -> int:
        """Number of open TCP connections."""
        return len(self._streams)

    def wait(self, seconds: float) -> None:
        """Wait up to `seconds` for messages and take them in, from each socket a bounded number, so no socket starves."""
        for key, _ in self._selector.select(seconds):
            found = key.fileobj
            if found is self._listener:
                self._accept(self._listener)
            elif found in self._datagrams:
                self._drain(found)
            # a connection accepted in the same turn may have closed this one
            elif found in self._streams:
                self._read(found)
        if time.monotonic() - self._looked > 1.0:
            self._looked = time.monotonic()
            self._end_unfinished(self._looked - FRAME_S)

    def drain(self) -> None:
        """Take in all messages that have arrived."""
        for receiver in self._datagrams:
            self._drain(receiver)
        for stream in list(self._streams):
            self._read(stream)

    def kernel_dropped(self) -> int:
        """Return the datagrams that the kernel dropped since the UDP socket was opened: last column of /proc/net/udp."""
        inode = str(os.fstat(self._udp.fileno()).st_ino)
        for name in ("udp", "udp6"):
            with suppress(OSError):
                for line in Path("/proc/net", name).read_text(encoding="ascii").splitlines()[1:]:
                    fields = line.split()
                    if fields[9] == inode:
                        return int(fields[12])
        return 0

    def _drain(self, receiver: socket.socket) -> None:
        take, receive, allows = self._take, receiver.recvfrom, self._allowed.allows
        with suppress(BlockingIOError):
            for _ in range(MAX_DATAGRAMS):
                datagram, sender = receive(65535)
                # the sender of a unix socket has no address
                known: Sender = sender[:2] if isinstance(sender, tuple) else UNIX
                if known is not UNIX and not allows(known[0]):
                    self.not_allowed += 1
                else:
                    take(datagram, known)

    def _accept(self, listener: socket.socket) -> None:
        try:
            stream, sender = listener.accept()
        except OSError as error:
            # without a free descriptor the connection would wait, and wake the loop without a pause
            if error.errno in (errno.EMFILE, errno.ENFILE) and self._streams:
                self._make_room()
            return
        if not self._allowed.allows(sender[0]):
            self.not_allowed += 1
            stream.close()
            return
        if len(self._streams) >= self._most:
            self._make_room()
        stream.setblocking(False)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._streams[stream] = _Stream(sender[:2])
        self._selector.register(stream, selectors.EVENT_READ)

    def _make_room(self) -> None:
        self.refused += 1
        oldest = next(iter(self._streams))
        self._end(next((found for found, state in self._streams.items() if not state.completed), oldest))

    def _end_unfinished(self, before: float) -> None:
        for stream, state in list(self._streams.items()):
            if state.begun is not None and state.begun < before:
                self.refused += 1
                self._end(stream)

    def _read(self, stream: socket.socket) -> None:
        state = self._streams[stream]
        frames = state.frames
        try:
            content = stream.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            content = b""
        dropped, completed = frames.dropped, 0
        for frame in frames.feed(content):
            completed += 1
            self._take(frame, state.sender)
        self.framing_errors += frames.dropped - dropped + frames.broken
        if not content or frames.broken:
            if last := frames.end():
                self._take(last, state.sender)
            self._end(stream)
            return
        if completed:
            # ordered by the last message, the latest at the end
            self._streams[stream] = self._streams.pop(stream)
            state.completed = True
        state.begun = (
            (time.monotonic() if completed or state.begun is None else state.begun) if frames.unfinished else None
        )

    def _end(self, stream: socket.socket) -> None:
        self._selector.unregister(stream)
        del self._streams[stream]
        stream.close()

    def close(self) -> None:
        """Close every socket."""
        for found in [*self._datagrams, *self._streams, *([self._listener] if self._listener else [])]:
            found.close()
        self._selector.close()
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()


def _addresses(settings: TelemetrySettings, listen: str | None) -> Addresses:
    return listen or settings.listen, settings.listen_unix, settings.listen_tcp


def _udp(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        family, _, _, _, target = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
        receiver = socket.socket(family, socket.SOCK_DGRAM)
        _enlarge(receiver)
        receiver.bind(target)
    except (OSError, OverflowError) as error:
        raise UnavailableError(
            f"collector cannot listen on {address} (UDP): {error}: check whether another collector is running"
        ) from error
    receiver.setblocking(False)
    return receiver


def _unix(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise UnavailableError(f"telemetry.listen_unix {str(path)!r} is too long for a socket: use a shorter path")
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        # remove the socket of a dead collector, and no other kind of file
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        _enlarge(receiver)
        receiver.bind(str(path))
        path.chmod(0o660)
    except OSError as error:
        receiver.close()
        raise UnavailableError(f"collector cannot listen on {str(path)!r} (unix): {error.strerror}") from error
    receiver.setblocking(False)
    return receiver


def _tcp(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        listener = socket.create_server(
            (host.strip("[]"), int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256
        )
    except (OSError, OverflowError) as error:
        raise UnavailableError(
            f"collector cannot listen on {address} (TCP): {error}: check whether another collector is running"
        ) from error
    listener.setblocking(False)
    return listener


def _enlarge(receiver: socket.socket) -> None:
    for option in (getattr(socket, "SO_RCVBUFFORCE", 33), socket.SO_RCVBUF):
        with suppress(OSError):
            receiver.setsockopt(socket.SOL_SOCKET, option, RECEIVE_BUFFER)
            return
