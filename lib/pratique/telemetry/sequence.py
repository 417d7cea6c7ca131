"""Detect repeated and lost lines: each sender numbers its lines."""

from __future__ import annotations

REMEMBERED = 1 << 17
"""Numbers remembered per sender, to distinguish a repeated line from a late one."""
SENDERS = 1000
"""Most senders remembered; names come from datagrams and are unbounded. The one silent for longest is forgotten first."""


class _Sender:
    __slots__ = ("base", "highest", "missing", "numbers")

    def __init__(self, number: int) -> None:
        self.base = number
        self.highest = number
        self.numbers = {number}
        self.missing = 0

    def take(self, number: int) -> tuple[bool, int]:
        if number in self.numbers or number <= self.highest - REMEMBERED:
            return False, 0
        self.numbers.add(number)
        if number > self.highest:
            gap, self.highest = number - self.highest - 1, number
        else:
            # the line was counted as lost, unless its number is below the first one received
            gap = -1 if number > self.base else 0
        self.missing += gap
        if len(self.numbers) > 2 * REMEMBERED:
            self.numbers = {n for n in self.numbers if n > self.highest - REMEMBERED}
        return True, gap


class Senders:
    """The numbers received from all senders."""

    def __init__(self) -> None:
        """Start without senders."""
        self._known: dict[str, _Sender] = {}

    def seen(self, boot: str, number: int) -> tuple[bool, int]:
        """Record a line. Return whether it is new, and the change in the number of missing lines."""
        sender = self._known.pop(boot, None)
        if sender is None:
            if len(self._known) >= SENDERS:
                del self._known[next(iter(self._known))]
            self._known[boot] = _Sender(number)
            return True, 0
        # ordered by the last line, the latest at the end
        self._known[boot] = sender
        return sender.take(number)
