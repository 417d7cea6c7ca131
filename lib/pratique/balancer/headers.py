"""What a proxy may pass on of a message's head, and what it must change. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote

from multidict import CIMultiDict, CIMultiDictProxy

REVISION = "X-Pratique-Revision"
"""Carried by every answer that a revision gave, so that a client or a test can tell who served it."""

# RFC 9110, section 7.6.1: what concerns one connection only is not forwarded
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"}
    | {"te", "trailer", "transfer-encoding", "upgrade", "expect"}
)

Headers = CIMultiDict[str] | CIMultiDictProxy[str]


def end_to_end(headers: Headers) -> CIMultiDict[str]:
    """The headers without those of the one connection that they came over."""
    named = {name.strip().lower() for value in headers.getall("Connection", ()) for name in value.split(",")}
    dropped = HOP_BY_HOP | named
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


def onward(headers: Headers, *, client: str, scheme: str) -> CIMultiDict[str]:
    """A request's headers as they go on to a server."""
    kept = end_to_end(headers)
    before = ", ".join(kept.popall("X-Forwarded-For", ()))
    kept["X-Forwarded-For"] = f"{before}, {client}" if before else client
    kept.setdefault("X-Forwarded-Proto", scheme)
    kept.setdefault("X-Forwarded-Host", kept.get("Host", ""))
    return kept


def back(headers: Headers, revision: str) -> CIMultiDict[str]:
    """A server's headers as they go back to the client."""
    kept = end_to_end(headers)
    kept[REVISION] = revision
    kept.setdefault("Server", "pratique")
    return kept


def origin_form(target: str) -> str | None:
    """A request's target as path and query; None where it is neither a path nor an http address.

    A target that does not start with a slash could reach another host when it is appended to an address.
    """
    if not target.startswith("/"):
        absolute = re.match(r"https?://[^/?#]*", target, re.IGNORECASE)
        if absolute is None:
            return None
        target = "/" + target[absolute.end() :].removeprefix("/")
    target = target.partition("#")[0]
    return target if target.isascii() else quote(target.encode("utf-8", "surrogateescape"), safe=_PRINTABLE)


_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
