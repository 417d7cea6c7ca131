"""Bounds on distinct names: actions, revisions and hosts come from log lines, which anybody may write.

The cost of a window in memory, of the store and of a comparison grows with the number of distinct names. Beyond a bound a
name is stored as OTHER, and the requests are counted, so that nothing is lost in silence.
"""

from __future__ import annotations

from collections.abc import Callable

OTHER = "other"
MOST_ACTIONS = 500
"""Most actions of a service: in an import whose lines name them, and in a comparison."""
MOST_REVISIONS = 1000
"""Most revisions of a service in one import."""
MOST_HOSTS = 1000
"""Most hosts of a service in one import."""
LONGEST_NAME = 200
"""Characters of an action that the lines themselves name."""


class BoundedNames:
    """The first names of a kind; further ones are OTHER. folded: requests of further names."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: set[str] = set()
        self.folded = 0

    def __len__(self) -> int:
        return len(self._names)

    def admit(self, name: str, requests: int = 1) -> str:
        """Return the name under which requests are stored."""
        if name in self._names:
            return name
        if len(name) <= LONGEST_NAME and len(self._names) < self._most:
            self._names.add(name)
            return name
        self.folded += requests
        return OTHER


class RecentNames:
    """The names in use in recent windows: a name that is not seen for a while makes room for another.

    A name that `is_known` (a released revision) always has its place, so that made-up names cannot displace it.
    """

    def __init__(self, most: int, is_known: Callable[[str], bool] = lambda _: False) -> None:
        self._most = most
        self._is_known = is_known
        self._last_used: dict[str, int] = {}

    def admit(self, name: str, now: int) -> str:
        """Return the name under which one request is stored. now: any clock that rises; see `forget`."""
        if name in self._last_used or len(self._last_used) < self._most or self._is_known(name):
            self._last_used[name] = max(now, self._last_used.get(name, now))
            return name
        return OTHER

    def forget(self, before: int) -> None:
        """Make room: drop the names last used before a time."""
        self._last_used = {name: used for name, used in self._last_used.items() if used >= before}
