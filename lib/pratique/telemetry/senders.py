"""Who sent what: each sender counts its lines, so that one received twice or lost on the way shows."""

from __future__ import annotations

REMEMBERED = 1 << 17
"""Numbers of a sender that are remembered to tell a repeated line from a late one."""
SENDERS = 1000
"""A sender more makes the one forgotten that has been silent the longest: names come from datagrams, and have no bound of their own."""


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
            # it had been taken for lost, unless the count was joined in its middle
            gap = -1 if number > self.base else 0
        self.missing += gap
        if len(self.numbers) > 2 * REMEMBERED:
            self.numbers = {n for n in self.numbers if n > self.highest - REMEMBERED}
        return True, gap


class Senders:
    """The counts of all senders."""

    def __init__(self) -> None:
        """Nobody yet."""
        self._known: dict[str, _Sender] = {}

    def seen(self, boot: str, number: int) -> tuple[bool, int]:
        """Whether a line is new, and by how much the number of missing lines changes with it."""
        sender = self._known.pop(boot, None)
        if sender is None:
            if len(self._known) >= SENDERS:
                del self._known[next(iter(self._known))]
            self._known[boot] = _Sender(number)
            return True, 0
        # kept in the order of their last word
        self._known[boot] = sender
        return sender.take(number)
