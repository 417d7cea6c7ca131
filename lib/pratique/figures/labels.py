"""Text that is safe to show: log text escaped and shortened, and numbers formatted for people.

plotly renders a subset of HTML in every label (`<b>`, `<a href>`, `<sub>`) and decodes entities, so a label is
escaped for plotly exactly as for a page. Quotes are not escaped, because plotly does not decode those entities:
never put a label into an attribute. plotly fills in `%{…}` only in its templates, which are constants here: text
from the data goes into `customdata`.
"""

from __future__ import annotations

import html
import math
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


def count(number: float) -> str:
    """Format a count: 1,234."""
    return f"{number:,.0f}"


def percent(share: float) -> str:
    """Format a share as percent with two significant digits.

    >>> percent(0.00031)
    '0.031 %'
    """
    value = 100.0 * share
    if value == 0 or not math.isfinite(value):
        return "0 %" if value == 0 else "n/a"
    digits = max(0, min(4, 1 - math.floor(math.log10(abs(value)))))
    return f"{value:.{digits}f} %"


def factor(ratio: float | None) -> str:
    """Format a ratio: 2.9x; "too few" for None, when there are too few bad requests to estimate it."""
    if ratio is None or math.isnan(ratio):
        return "too few"
    if math.isinf(ratio):
        return "∞"
    return f"{_two_digits(ratio)}x"


def interval(low: float | None, high: float | None) -> str:
    """Format the confidence interval of a ratio: [1.7, 5.1]; an unbounded side is "0" or "∞".

    >>> interval(1.72, None)
    '[1.7, ∞]'
    """
    return f"[{_bound(low, '0')}, {_bound(high, '∞')}]"


def _bound(value: float | None, unbounded: str) -> str:
    if value is None or not math.isfinite(value):
        return unbounded
    return _two_digits(value)


def _two_digits(value: float) -> str:
    if 0.0 < value < 0.1:
        return f"{value:.2g}"
    return f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"


def e_value_text(e_value: float) -> str:
    """Format an e-value: 412, 0.03, 3.2e12, <0.01."""
    if not math.isfinite(e_value):
        return "∞" if e_value > 0 else "n/a"
    if e_value >= 1e6:
        return f"{e_value:.1e}".replace("e+0", "e").replace("e+", "e")
    if e_value < 0.01:
        return "<0.01"
    return f"{e_value:,.0f}" if e_value >= 10 else f"{e_value:.2g}"


def duration(ms: float) -> str:
    """Format a duration in ms with its unit: 830 µs, 25 ms, 1.2 s."""
    if ms < 1:
        return f"{ms * 1000:.3g} µs"
    return f"{ms:.3g} ms" if ms < 1000 else f"{ms / 1000:.3g} s"


def span(seconds: float) -> str:
    """Format a length of time in seconds: 10 s, 5 min, 1 h, 2 d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def utc_time(time: datetime) -> str:
    """Format a UTC time with its date: 2026-11-20 14:02:10 UTC."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
