"""A bound on the head of a request in all: aiohttp bounds each of its lines and their number, which together are megabytes.

The parts of a body have a bound on everything around them: chunk extensions and trailers.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from typing_extensions import override

LONGEST_HEAD = 1 << 16
"""Bytes of a request line with all header fields, and of what stands around a body beside its parts."""
MOST_FIELDS = 128
"""Header fields of a request, as aiohttp bounds them."""
READ = 1 << 18
"""Bytes of a body that may be received and not yet be counted as such."""
FRAMING = 16
"""Bytes around each byte of a body that is sent in the smallest parts."""
LINGER_S = 1.0
"""How long a client may read why it was refused; what it sends meanwhile is dropped."""
_END = b"\r\n\r\n"
_TEXT = b"the head of the request is longer than %d bytes, or has more than %d fields\n" % (LONGEST_HEAD, MOST_FIELDS)
_REFUSED = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nServer: pratique\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_TEXT), _TEXT)
)


class BoundedHeadServer(web.Server):
    """A server that answers 431 to a request whose head does not end within LONGEST_HEAD bytes."""

    @override
    def __call__(self) -> RequestHandler:
        return _BoundedHead(self, loop=asyncio.get_running_loop(), **self._kwargs)


class _BoundedHead(RequestHandler):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._body: Any = None
        self._size = self._lines = 0
        self._tail = b""
        self._refused = False

    @override
    def data_received(self, data: bytes) -> None:
        if self._refused or (not self._upgraded and self._is_too_long(data)):
            return
        known = len(self._messages)
        super().data_received(data)
        if len(self._messages) > known:
            self._body, self._size, self._lines, self._tail = self._messages[-1][1], 0, 0, b""

    def _is_too_long(self, data: bytes) -> bool:
        if self._body is not None and not self._body.is_eof():
            self._size += len(data)
            if self._size > LONGEST_HEAD + READ + (1 + FRAMING) * self._body.total_bytes:
                # in the middle of a request there is nobody to tell
                self._end(b"")
            return self._refused
        if self._body is not None:
            self._body, self._size, self._lines = None, 0, 0
        end = (self._tail + data).find(_END)
        size = self._size + (len(data) if end < 0 else end)
        lines = self._lines + data[: len(data) if end < 0 else end].count(b"\n")
        if size > LONGEST_HEAD or lines > 1 + MOST_FIELDS:
            is_idle = self._current_request is None or self._waiter is not None
            self._end(_REFUSED if is_idle and not self._messages else b"")
            return True
        self._size, self._lines = (size, lines) if end < 0 else (0, 0)
        self._tail = (self._tail + data)[-3:] if end < 0 else b""
        return False

    def _end(self, answer: bytes) -> None:
        self._refused = True
        if self.transport is None:
            return
        if not answer:
            self.transport.abort()
            return
        self.transport.write(answer)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER_S, self.transport.abort)
