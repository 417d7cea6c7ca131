"""Text that is safe to show: log text escaped and shortened.

plotly renders a subset of HTML in every label (`<b>`, `<a href>`, `<sub>`) and decodes entities, so a label is
escaped for plotly exactly as for a page. Quotes are not escaped, because plotly does not decode those entities:
never put a label into an attribute. plotly fills in `%{…}` only in its templates, which are constants here: text
from the data goes into `customdata`.
"""

from __future__ import annotations

import html
import unicodedata
from datetime import datetime


def plain(text: str, limit: int = 60) -> str:
    r"""Return one line of at most `limit` characters without control or direction characters. Not escaped.

    >>> plain("GET /cart\r\n" * 9, 12)
    'GET /cart G…'
    """
    head = text[: 4 * limit + 100]
    kept = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in head)
    short = " ".join(kept.split())
    cut = len(short) > limit or len(text) > len(head)
    return f"{short[: limit - 1].rstrip()}…" if cut else short


def label(text: str, limit: int = 60) -> str:
    """Return the text as `plain` does, escaped for plotly labels and for HTML.

    >>> label("<b>r2</b>")
    '&lt;b&gt;r2&lt;/b&gt;'
    """
    return html.escape(plain(text, limit), quote=False)


def utc_time(time: datetime) -> str:
    """Format a UTC time with its date: 2026-11-20 14:02:10 UTC."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
