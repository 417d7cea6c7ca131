"""Split a TCP stream into syslog messages, by octet counts or by lines.

Source: RFC 6587, sections 3.4.1 (octet counting) and 3.4.2 (non-transparent framing, by LF).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = (1 << 16) - 1
"""Longest message in bytes: that of a datagram."""
_COUNT = re.compile(rb"([1-9][0-9]{0,5}) ")


class Frames:
    """The stream of one connection. broken: whether an octet count was invalid. dropped: frames that were too long."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._skip = 0
        self._skip_line = False
        self.broken = False
        self.dropped = 0

    @property
    def unfinished(self) -> bool:
        """Whether a message has begun and is not complete."""
        return bool(self._rest or self._skip or self._skip_line)

    def feed(self, content: bytes) -> Iterator[bytes]:
        """Take bytes in and yield the complete messages. Once `broken`, it yields none.

        At most LONGEST bytes are buffered.
        """
        self._rest += content
        while self._rest and not self.broken:
            if self._skip or self._skip_line:
                if not self._skipped():
                    return
                continue
            frame = self._counted() if 0x30 <= self._rest[0] <= 0x39 else self._line()
            if frame is None:
                return
            if frame:
                yield frame

    def _skipped(self) -> bool:
        """Skip the rest of a frame that is too long. Return whether its end was reached."""
        if self._skip_line:
            end = self._rest.find(b"\n")
            self._skip_line = end < 0
            del self._rest[: end + 1 if end >= 0 else len(self._rest)]
            return end >= 0
        gone = min(self._skip, len(self._rest))
        del self._rest[:gone]
        self._skip -= gone
        return self._skip == 0

    def _counted(self) -> bytes | None:
        head = _COUNT.match(self._rest)
        if head is None:
            # no message begins with a digit, and without a valid count the next message cannot be found
            self.broken = len(self._rest) > 6 or not bytes(self._rest).isdigit()
            return None
        length = int(head[1])
        if length > LONGEST:
            self.dropped += 1
            del self._rest[: head.end()]
            self._skip = length
            return b""
        end = head.end() + length
        if len(self._rest) < end:
            return None
        frame = bytes(self._rest[head.end() : end])
        del self._rest[:end]
        return frame.rstrip(b"\n")

    def _line(self) -> bytes | None:
        end = self._rest.find(b"\n")
        if end < 0 and len(self._rest) <= LONGEST:
            return None
        if end < 0 or end > LONGEST:
            self.dropped += 1
            self._skip_line = True
            return b""
        frame = bytes(self._rest[:end]).rstrip(b"\r\0")
        del self._rest[: end + 1]
        return frame

    def end(self) -> bytes:
        """Return the rest at the end of the connection: a last line without its newline, or b""."""
        rest = bytes(self._rest)
        self._rest.clear()
        return b"" if self.broken or self._skip or self._skip_line or rest[:1].isdigit() else rest.rstrip(b"\r\n\0")
