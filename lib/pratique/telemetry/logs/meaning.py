"""What the texts of an access line mean: code, duration, path, revision.

These are the rules for one line, which the collector uses; `meaning_columns` has the same rules for a column. A test
holds both to the same answers. They are apart because the collector does without polars, for its memory.

Source: HAProxy 3.0 Configuration Manual, sections 8.4 (timing events) and 8.5 (termination states); RFC 9112, section
3.2 (forms of a request target).
"""

from __future__ import annotations

import re

from pratique.telemetry.buckets import LONGEST_MS

GONE = 499
"""The code of a request whose client closed the connection before the answer, as in nginx."""
NO_ANSWER = 0
"""The code of a request that got no answer for another reason."""

AUTHORITY = r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*"


def answer_code(code: int, state: str) -> int:
    """Return the code of a line of HAProxy, which writes -1 where no answer was sent. state: the termination state."""
    return (GONE if state.startswith("C") else NO_ANSWER) if code <= 0 else code


def active_ms(total: int, request: int, response: int, *, unfinished: bool = False) -> float | None:
    """Return the time from the complete request to the end of the answer; None for a timer of -1 (not reached).

    unfinished: the line was written before the end of the answer (option logasap, a total with "+").
    """
    if response < 0 or unfinished or not 0 <= total < LONGEST_MS:
        return None
    return float(max(0, total - max(0, request)))


def target_path(target: str) -> str:
    """Return the path of a request target, which may be absolute (https://host/path), as those of HTTP/2 in HAProxy."""
    rest = re.sub(AUTHORITY, "", target)
    path = re.split(r"[?#]", rest, maxsplit=1)[0]
    return path or ("/" if rest != target else "")


def kept_target(target: str) -> str:
    """Return a request target as the collector keeps it: an absolute one as its path."""
    return target_path(target) if re.match(AUTHORITY, target) else target


def is_no_name(text: str) -> bool:
    """Whether a text names nothing: empty, "-", or one of HAProxy's own names in angle brackets, as <NOSRV>."""
    return text in {"", "-"} or (text.startswith("<") and text.endswith(">"))
