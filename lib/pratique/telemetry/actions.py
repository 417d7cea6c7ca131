"""Map a request to an action: the route as the owner of the service names it, never a raw path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from pratique.config import ActionRule
from pratique.telemetry.cardinality import OTHER

MAX_DEFAULT_ACTIONS = 200
"""Most actions of a service without rules; raw paths are unbounded, so further ones become OTHER."""
LONGEST_PATH, LONGEST_METHOD = 2048, 32
REMEMBERED, LONGEST_REMEMBERED = 8192, 256
"""Most recent requests whose action is cached, and characters of their path."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# a segment that looks like an identifier: it has digits, is hex or a UUID, or is longer than a word of a route
_IDENTIFIER = re.compile(r"(?:.*\d.*|[0-9a-fA-F-]{8,}|.{33,})", re.DOTALL)
_SAFE = re.compile(r"[A-Za-z0-9._~-]*")


class Actions:
    """Map (method, path) to an action by the rules of a service; the first match wins.

    With rules, requests that match none are OTHER. Without rules, an action is the method and the first two segments
    of the path, identifiers become {id}, and actions after the first MAX_DEFAULT_ACTIONS are OTHER.
    """

    def __init__(self, rules: Sequence[ActionRule] = ()) -> None:
        self._rules = [(rule.method.upper(), _pattern(rule.path), _name(rule)) for rule in rules]
        self._seen: set[str] = set()
        self._cached = lru_cache(maxsize=REMEMBERED)(self._find)

    def action(self, method: str, path: str) -> str:
        """Return the action of a request; method and path as in the request line, with the query."""
        bare = path.split("?", 1)[0].split("#", 1)[0]
        if len(bare) > LONGEST_PATH or len(method) > LONGEST_METHOD:
            return OTHER
        find = self._cached if len(bare) <= LONGEST_REMEMBERED else self._find
        return find(method.upper(), bare)

    def _find(self, method: str, path: str) -> str:
        if self._rules:
            return self._by_rule(method, path)
        name = _default(method, path)
        if name not in self._seen:
            if len(self._seen) >= MAX_DEFAULT_ACTIONS:
                return OTHER
            self._seen.add(name)
        return name

    def _by_rule(self, method: str, path: str) -> str:
        for wanted, pattern, name in self._rules:
            if wanted in ("*", method) and pattern.fullmatch(path):
                return name
        return OTHER


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]*\})", template)
    return re.compile("".join(_part(part) for part in parts))


def _part(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    return ".*" if part.endswith("...}") else "[^/]+"


def _name(rule: ActionRule) -> str:
    if rule.action is not None:
        return rule.action
    return rule.path if rule.method == "*" else f"{rule.method.upper()} {rule.path}"


def _default(method: str, path: str) -> str:
    if method not in METHODS or not path.startswith("/"):
        return OTHER
    segments = [part for part in path.split("/") if part][:2]
    folded = ["{id}" if _IDENTIFIER.fullmatch(part) or not _SAFE.fullmatch(part) else part for part in segments]
    return f"{method} /{'/'.join(folded)}"
