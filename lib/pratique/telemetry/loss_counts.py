"""Lines that a collector could not count, by service and reason, and the senders of messages that are no access line.

Anyone within `telemetry.allow` can send garbage. It must not hold a release, so a message that cannot be read counts as a
lost line only if it may have been one: its sender also sends lines that are counted, or it names a service.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Iterable

from pratique.telemetry.access_line import AccessLine
from pratique.telemetry.accesslog import LONGEST, looks_like_access
from pratique.telemetry.cardinality import OTHER, BoundedNames
from pratique.telemetry.lost_lines import EVERY_SERVICE
from pratique.telemetry.syslog import Message

Sender = tuple[str, int]
"""Address and port of a sender; the port tells the balancer of a host from other programs there."""
UNIX: Sender = ("unix socket", 0)
"""The sender of every message over a unix socket: its file's permissions say who may write."""
MOST_SENDERS = 1000
"""Senders of counted lines that are remembered; the one silent for longest is forgotten first."""
MOST_HOSTS = 100
"""Hosts whose unreadable messages are counted apart."""
NEARLY = 1e-9
"""What sums of parts may lack of a whole line."""
MOST_SHOWN = 5
"""Hosts that a status names."""


class LossCounts:
    """Counts since the collector started."""

    def __init__(self) -> None:
        """Start without a message."""
        self._services_of: OrderedDict[Sender, set[str]] = OrderedDict()
        self._hosts = BoundedNames(MOST_HOSTS)
        self._unread: Counter[str] = Counter()
        self._lost: dict[str, Counter[str]] = {}
        self._unnumbered: Counter[str] = Counter()
        self._messages = 0
        self._dropped = 0
        self._undivided = 0
        self._parts: dict[str, float] = {}
        self.received: Counter[str] = Counter()
        """Counted lines by service."""

    def counted(self, sender: Sender, line: AccessLine) -> None:
        """Take in a line that was counted."""
        self._messages += 1
        self.received[line.service] += 1
        if not line.boot:
            self._unnumbered[line.service] += 1
        known = self._services_of.get(sender)
        if known is None:
            if len(self._services_of) >= MOST_SENDERS:
                self._services_of.popitem(last=False)
            known = self._services_of[sender] = set()
        else:
            self._services_of.move_to_end(sender)
        known.add(line.service)

    def lost(self, service: str, reason: str, lines: int = 1) -> None:
        """Count lines that a service lost. lines: below 0 for lines that arrived after all."""
        self._messages += 1
        self._lost.setdefault(service, Counter())[reason] += lines

    def unreadable(self, sender: Sender, message: Message | None, services: Iterable[str]) -> None:
        """Take in a message that is no access line. services: those that the collector counts.

        message: None when it is not even a syslog message.
        """
        self._messages += 1
        self._unread[self._hosts.admit(sender[0])] += 1
        named = [name for name in services if message is not None and _may_be_of(message, name)]
        sent = self._services_of.get(sender, set())
        for service in named or ([*sent] if len(sent) == 1 else [EVERY_SERVICE] if sent else []):
            self._lost.setdefault(service, Counter())["not an access line"] += 1

    def dropped(self, total: int) -> None:
        """Take in the number of datagrams that the kernel has dropped so far.

        Nobody sees what they were. Lines with a number are found missing by it. The others have the same part of the
        dropped datagrams as of those received since the last call. Parts of a line add up over calls, and datagrams dropped while
        none was received are divided as the next ones.
        """
        self._undivided += max(0, total - self._dropped)
        self._dropped = total
        if not self._messages:
            return
        for service, lines in self._unnumbered.items():
            part = self._parts.get(service, 0.0) + self._undivided * lines / self._messages
            whole = int(part + NEARLY)
            self._parts[service] = part - whole
            if whole:
                self._lost.setdefault(service, Counter())["dropped by the kernel"] += whole
        self._unnumbered.clear()
        self._messages = self._undivided = 0

    def losses(self) -> dict[str, dict[str, int]]:
        """Return the lost lines by service and reason."""
        return {service: dict(reasons) for service, reasons in self._lost.items()}

    def unread_from(self) -> dict[str, int]:
        """Return the hosts with the most messages that are no access lines, and their number."""
        return {"other hosts" if host == OTHER else host: n for host, n in self._unread.most_common(MOST_SHOWN)}


def _may_be_of(message: Message, service: str) -> bool:
    """Whether an unreadable message looks like an access line, and has the name of a service as a word."""
    if not looks_like_access(message):
        return False
    return re.search(rb"(?<![\w.-])%s(?![\w.-])" % re.escape(service.encode()), message.body[:LONGEST]) is not None
