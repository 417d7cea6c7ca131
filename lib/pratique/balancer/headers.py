"""The headers that a proxy forwards, removes and adds. These functions are pure."""

from __future__ import annotations

import re
from urllib.parse import quote

from multidict import CIMultiDict, CIMultiDictProxy

REVISION = "X-Pratique-Revision"
"""The header that names the revision of an answer."""

# RFC 9110, section 7.6.1: headers of a single connection are not forwarded
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"}
    | {"te", "trailer", "transfer-encoding", "upgrade", "expect"}
)

Headers = CIMultiDict[str] | CIMultiDictProxy[str]


def end_to_end(headers: Headers) -> CIMultiDict[str]:
    """Return the headers without the hop-by-hop ones."""
    named = {name.strip().lower() for value in headers.getall("Connection", ()) for name in value.split(",")}
    dropped = HOP_BY_HOP | named
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


def onward(headers: Headers, *, client: str, scheme: str) -> CIMultiDict[str]:
    """Return the headers of a request as they are forwarded to a server."""
    kept = end_to_end(headers)
    before = ", ".join(kept.popall("X-Forwarded-For", ()))
    kept["X-Forwarded-For"] = f"{before}, {client}" if before else client
    kept.setdefault("X-Forwarded-Proto", scheme)
    kept.setdefault("X-Forwarded-Host", kept.get("Host", ""))
    return kept


def back(headers: Headers, revision: str) -> CIMultiDict[str]:
    """Return the headers of an answer as they are sent to the client."""
    kept = end_to_end(headers)
    kept[REVISION] = revision
    kept.setdefault("Server", "pratique")
    return kept


def origin_form(target: str) -> str | None:
    """Return the target of a request as path and query; None if it is neither a path nor an HTTP URL.

    A target without a leading slash could reach another host when it is appended to an address.
    """
    if not target.startswith("/"):
        absolute = re.match(r"https?://[^/?#]*", target, re.IGNORECASE)
        if absolute is None:
            return None
        target = "/" + target[absolute.end() :].removeprefix("/")
    target = target.partition("#")[0]
    return target if target.isascii() else quote(target.encode("utf-8", "surrogateescape"), safe=_PRINTABLE)


_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
