"""The distribution of an image: os-release.

Source: os-release(5).
"""

from __future__ import annotations

import shlex

from pratique.release.packages.model import Facts, text_of

FILES = ("/etc/os-release", "/usr/lib/os-release")
KEYS = ("ID", "VERSION_ID", "PRETTY_NAME")


def is_read(path: str) -> bool:
    """Return whether `read` knows the file."""
    return path in FILES


def read(_: str, content: bytes) -> Facts:
    """Return the keys that name the distribution."""
    found = {}
    for line in text_of(content[:65536]).splitlines():
        key, _, value = line.partition("=")
        if key.strip() in KEYS:
            try:
                words = shlex.split(value)
            except ValueError:
                words = [value]
            found[key.strip()] = words[0] if words else ""
    return Facts(system=tuple(found.items()))
