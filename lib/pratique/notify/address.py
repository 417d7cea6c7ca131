"""The address of a route: its secret resolved, what apprise must not do refused, and its secret parts masked in texts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from pratique.config.notify import OPEN_SCHEMES
from pratique.errors import UsageError
from pratique.masked_text import MASK, masked
from pratique.release.secrets import resolve_env

REFUSED_KEYS = {"redirect", "attach", "attachment", "template", "keyfile", "subfile", "pgppub", "pgpprv"}
"""Parameters by which a message would go to another host, or read a local file."""
_PATH = re.compile(r"(?:/|\./|\.\./|~|file:)")
_OWN = (":", "+", "-")
"""Signs before parameters that apprise passes on: members of the message, headers, and the receiver's own parameters."""
SHORTEST_SECRET = 4


def resolved(to: str) -> str:
    """Return the address that a route refers to. A plain web address becomes that of a webhook which takes JSON.

    Raises: MissingError (a reference without a value), UsageError that never repeats the address.
    """
    address = resolve_env({"the route": to}, Path())["the route"].strip()
    try:
        found = urlsplit(address)
    except ValueError as error:
        raise UsageError("the address of the route is no URL: write it like ntfys://ntfy.sh/TOPIC") from error
    if not found.scheme or any(character.isspace() for character in address):
        raise UsageError("the address of the route is no URL on one line: write it like ntfys://ntfy.sh/TOPIC")
    for key, value in _parameters(address):
        if key.lower() in REFUSED_KEYS or (not key.startswith(_OWN) and _names_file(value)):
            raise UsageError(
                f"the address of the route has the parameter {key[:40]!r}, which is not allowed: remove it"
            )
    return address


def as_webhook(address: str) -> str:
    """Return an http or https address as apprise writes a webhook that takes JSON; its parameters are passed on."""
    found = urlsplit(address)
    query = urlencode([(f"-{key}", value) for key, value in parse_qsl(found.query, keep_blank_values=True)])
    return urlunsplit(found._replace(scheme={"http": "json", "https": "jsons"}[found.scheme], query=query))


def without_secrets(text: str, address: str) -> str:
    """Return a text with the secret parts of an address, and whatever else looks like a secret, masked."""
    for part in sorted(_secrets(address), key=len, reverse=True):
        text = text.replace(part, MASK)
    return masked(text)


def _secrets(address: str) -> Iterator[str]:
    """Yield each part of an address that may be a secret, in the forms in which it may be written."""
    yield address
    found = urlsplit(address)
    host = [] if found.scheme in OPEN_SCHEMES or "." in (found.hostname or "") else [found.netloc.rpartition("@")[2]]
    parts = [
        *host, found.username, found.password, *found.path.split("/"), *(value for _, value in _parameters(address)), found.fragment,
    ]  # fmt: skip
    for part in filter(None, parts):
        for form in {part, unquote(part), quote(part, safe="")}:
            if len(form) >= SHORTEST_SECRET:
                yield form


def _parameters(address: str) -> Iterator[tuple[str, str]]:
    """Yield each parameter as apprise reads it: behind the first question mark, which may be in a fragment, between & or ;."""
    for part in re.split("[&;]", address.partition("?")[2]):
        key, _, value = part.partition("=")
        yield unquote(key).strip(), unquote(value).strip()


def _names_file(value: str) -> bool:
    try:
        return bool(_PATH.match(value)) or os.path.exists(value)  # noqa: PTH110 - any text, also one that is not a path
    except ValueError:
        return False
