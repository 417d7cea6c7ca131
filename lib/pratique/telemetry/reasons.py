"""Reasons why a line or row is no request of a service, where more than one module must know them."""

from __future__ import annotations

import re

NO_REVISION = "no revision"
"""The line names no revision: it may be a request that no instance has answered."""
OTHER_SERVICE = "another service"
NO_REQUEST = "messages without status, path and duration"
OTHER_FORM = "it looks like a request, but has no status, path or duration by a known name: name them with --field"

_WAYS_OUT = (
    (r"its zone is named", "give the zone of the host that wrote the log, as in --timezone Europe/Vienna"),
    (r"its time cannot be read \((.+)\)$", "give its form, as in --field 'time={}:%d.%m.%Y %H:%M:%S'"),
    (r"its status is not a status code \((.+)\)$", "take a part of it, as in --field 'status={}:([0-9]{{3}})'"),
)


def way_out(reason: str) -> str:
    """Return what to do when the first lines of a log are rejected for a reason."""
    for pattern, text in _WAYS_OUT:
        found = re.match(pattern, reason)
        if found is not None:
            return text.format(*found.groups())
    return "check --format"
