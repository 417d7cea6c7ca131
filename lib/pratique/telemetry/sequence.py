"""Detect repeated and lost lines: each sender numbers its lines.

Numbers come from the network, so that one made-up number must not make the real ones after it look repeated or lost: a
number far from the last ones does not move the count until the next number follows it.
"""

from __future__ import annotations

REMEMBERED = 1 << 17
"""Numbers remembered per sender, to distinguish a repeated line from a late one; further away, a number is a jump."""
SENDERS = 1000
"""Most senders remembered; names come from datagrams and are unbounded. The one silent for longest is forgotten first."""


_PAGE = 1024
"""Numbers of a page: one integer, a bit for each."""


class _Sender:
    """The numbers received from one sender, as pages of bits."""

    __slots__ = ("_base", "_elsewhere", "_highest", "_pages")

    def __init__(self, number: int) -> None:
        self._start(number)

    def _start(self, number: int) -> None:
        self._base = self._highest = number
        self._elsewhere: int | None = None
        self._pages: dict[int, int] = {}
        self._mark(number)

    def take(self, number: int) -> tuple[bool, int]:
        """Return whether the number is new, and the change in the number of missing lines."""
        if abs(number - self._highest) >= REMEMBERED:
            return True, self._jump(number)
        self._elsewhere = None
        if not self._mark(number):
            return False, 0
        if number < self._highest:
            # the line was counted as lost, unless its number is below the first one received
            return True, -1 if number > self._base else 0
        gap, self._highest = number - self._highest - 1, number
        return True, gap

    def _jump(self, number: int) -> int:
        """Start over from here when the number before was near; return how many are missing between the two."""
        before = self._elsewhere
        if before is None or not 0 < number - before < REMEMBERED:
            self._elsewhere = number
            return 0
        self._start(number)
        return number - before - 1

    def _mark(self, number: int) -> bool:
        """Remember a number. Return whether it is new."""
        page, bit = number // _PAGE, 1 << number % _PAGE
        known = self._pages.get(page)
        if known is None and len(self._pages) > REMEMBERED // _PAGE:
            oldest = (max(number, self._highest) - REMEMBERED) // _PAGE
            self._pages = {at: bits for at, bits in self._pages.items() if at >= oldest}
        self._pages[page] = (known or 0) | bit
        return not (known or 0) & bit


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
