"""What the configuration of an image says: environment, labels, user, command, ports, health check. Secrets are never shown.

A value that is secret by its name, or refers to a secret, is only compared, in memory: neither it nor a hash of it is kept.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pratique.masked_text import MASK, SHORT_WORD, masked, option_pattern, pair_pattern
from pratique.release.bounds import shown
from pratique.release.secrets import is_reference

_WORDS = "creds?|dsn|auth|authorization|salt|jwt|pat|pin|t?otp|seed|sas|sig"
NAMES = (
    rf"(?:{SHORT_WORD}|passw(?:or)?d|passphrase|passwort|passcode|pwd|secret|token|credential|signature|cookie|session[_.-]?id|hmac|bearer|webhook"
    rf"|connection[_.-]?string|(?<![a-z])(?:{_WORDS})(?![a-z])"
    r"|(?:api|access|private|encryption|signing|master|shared|account|license|ssh|gpg|ssl|tls)[_.-]?key"
    r"|(?<!mon)(?<!tur)(?<!don)(?<!hot)(?<!hoc)(?<!joc)(?<!whis)keys?(?![a-z]))"
)
"""A pattern of the parts of names of secrets. It hides too much rather than too little."""
SECRET = re.compile(NAMES, re.IGNORECASE)
INSIDE = (pair_pattern(rf"{NAMES}[\w.-]{{0,20}}"), option_pattern(rf"{NAMES}[\w.-]{{0,20}}"))
"""Secrets inside of a value: more names than in logs, where a key or a seed is mostly none."""
HIDDEN = "(hidden)"
SINGLE = {
    "Entrypoint": "entrypoint",
    "Cmd": "command",
    "User": "user",
    "WorkingDir": "folder",
    "StopSignal": "stop signal",
    "Shell": "shell",
}
SETS = {"ExposedPorts": "port", "Volumes": "volume"}
NOISY_LABELS = {"org.opencontainers.image.created", "build-date", "org.label-schema.build-date"}
"""Labels that differ in every build and say nothing else."""
LONGEST_VALUE = 200
DEEPEST = 50
"""Tables in tables that are looked into."""
TOO_DEEP = "(tables nested too deeply to compare)"


@dataclass(frozen=True)
class Setting:
    """One key on both sides. part: "env", "label", "service file" and others. None: the key is not there.

    before, after: as they may be shown; HIDDEN for a secret.
    """

    part: str
    key: str
    before: str | None
    after: str | None

    @property
    def change(self) -> str:
        """What became of the key: "new", "removed" or "changed"."""
        if self.before is None:
            return "new"
        return "removed" if self.after is None else "changed"

    def to_json(self) -> dict[str, str | None]:
        """Return the key as plain JSON values."""
        return {"part": self.part, "key": self.key, "change": self.change, "before": self.before, "after": self.after}


Settings = Mapping[tuple[str, str], str]
"""(part, key) → value, secrets included: for comparing only."""


def image_settings(config: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Return what the configuration of an image sets."""
    inner = _object(config.get("config"))
    found = {("env", name): value for name, value in _environment(inner.get("Env")).items()}
    found |= {("label", str(key)): str(value) for key, value in _object(inner.get("Labels")).items()}
    found |= {(part, part): _text(inner[key]) for key, part in SINGLE.items() if inner.get(key)}
    found |= {(part, str(value)): "yes" for key, part in SETS.items() for value in _object(inner.get(key))}
    found |= {
        ("health check", str(key).lower()): _text(value) for key, value in _object(inner.get("Healthcheck")).items()
    }
    found |= {("platform", key): _text(config[key]) for key in ("os", "architecture", "variant") if config.get(key)}
    return found


def compare_settings(before: Settings, after: Settings) -> list[Setting]:
    """Return the keys that differ, in the order of part and key."""
    keys = sorted({key for key in {*before, *after} if before.get(key) != after.get(key)})
    return [_setting(part, name, before.get((part, name)), after.get((part, name))) for part, name in keys]


def flattened(value: Any) -> dict[str, str]:
    """Return the keys of nested tables as "a.b.c" with their values as JSON; tables below DEEPEST are not looked into."""
    found: dict[str, str] = {}
    waiting: list[tuple[str, int, Any]] = [("", 0, value)]
    while waiting:
        prefix, depth, inner = waiting.pop()
        if not (isinstance(inner, dict) and inner):
            found[prefix] = _text(inner)
        elif depth >= DEEPEST:
            found[prefix] = TOO_DEEP
        else:
            waiting += [(f"{prefix}.{name}" if prefix else str(name), depth + 1, one) for name, one in inner.items()]
    return found


def is_secret(key: str, value: str | None) -> bool:
    """Return whether a value may not be shown, by its key or because it refers to a secret."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    return SECRET.search(words) is not None or (value is not None and is_reference(value))


def safe(text: str) -> str:
    """Return a text of an image for people: without what looks like a secret, printable and not long."""
    kept = masked(text)
    for pattern in INSIDE:
        kept = pattern.sub(rf"\1{MASK}", kept)
    kept = shown(kept)
    return f"{kept[: LONGEST_VALUE - 1]}…" if len(text) > LONGEST_VALUE else kept


def _setting(part: str, key: str, before: str | None, after: str | None) -> Setting:
    secret = is_secret(key, before) or is_secret(key, after)
    values = [None if value is None else HIDDEN if secret else safe(value) for value in (before, after)]
    return Setting(part, shown(masked(key)), *values)


def _environment(value: Any) -> dict[str, str]:
    pairs = (str(pair).partition("=") for pair in value) if isinstance(value, list) else ()
    return {name: text for name, _, text in pairs}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    """Return a value as one line; arguments as a shell takes them, in which a secret after an option is found."""
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return shlex.join(value)
    try:
        return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    except RecursionError:
        return TOO_DEEP
