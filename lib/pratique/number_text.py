"""Numbers as text for people: counts, shares, ratios, evidence and lengths of time, written the same way everywhere.

No text has a "<", so all of them can stand in HTML and in plotly's labels unescaped.
"""

from __future__ import annotations

import math

LARGEST_RATIO = 20.0
"""The judge distinguishes odds ratios from 1/20 to 20; beyond that, only the side is known."""
UNKNOWN = "unknown"
COMMON = 0.01
"""Shares from this one on are written in percent, smaller ones as a number of requests in 10,000 or more."""
FINEST = 6
"""Digits after the point at which two shares of percent are no longer told apart."""


def count(number: float) -> str:
    """Format a count: 1,234."""
    return f"{number:,.0f}"


def plural(number: int, one: str, many: str = "") -> str:
    """Return a count with its noun. many: the plural, where it is not `one` with an s.

    >>> plural(1, "guard"), plural(1234, "line"), plural(0, "entry", "entries")
    ('1 guard', '1,234 lines', '0 entries')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(share: float) -> str:
    """Format a share as percent with two significant digits; a share below 1 never becomes 100 %.

    >>> percent(0.00031), percent(0.9997)
    ('0.031 %', '99.97 %')
    """
    return _percent(share, 2)


def _percent(share: float, significant: int) -> str:
    value = 100.0 * share
    if value == 0 or not math.isfinite(value):
        return "0 %" if value == 0 else "n/a"
    digits = max(0, min(FINEST, significant - 1 - _magnitude(value)))
    if share < 1.0 and float(f"{value:.{digits}f}") >= 100.0:
        digits = max(0, min(FINEST, -_magnitude(100.0 - value)))
    return f"{value:.{digits}f} %"


def _magnitude(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def two_shares(one: float, other: float) -> tuple[str, str]:
    """Format two shares of requests that are compared: in percent, or, if both are small, in 10,000 or a million.

    They get as many digits as it takes to see that they differ. No request at all is "none".

    >>> two_shares(0.29, 0.0031), two_shares(0.0012, 0.00003), two_shares(0.0004, 0.0)
    (('29 %', '0.31 %'), ('12 in 10,000', '0.30 in 10,000'), ('4.0 in 10,000', 'none'))
    """
    for significant in range(2, FINEST + 1):
        texts = _share(one, max(one, other), significant), _share(other, max(one, other), significant)
        if texts[0] != texts[1] or one == other:
            break
    return texts


def _share(share: float, larger: float, significant: int) -> str:
    if share == 0:
        return "none"
    if larger >= COMMON:
        return _percent(share, significant)
    unit = 10_000 if larger >= 1e-4 else 1_000_000
    value = share * unit
    digits = max(0, min(FINEST, significant - 1 - _magnitude(value)))
    return f"{value:,.{digits}f} in {unit:,}"


def factor(ratio: float | None) -> str:
    """Format a ratio: 2.9x; ∞ for an infinite one, "> 20x" or "below 0.05x" for one out of reach, "unknown" for None.

    >>> factor(2.94), factor(math.inf), factor(20.1), factor(None)
    ('2.9x', '∞', '> 20x', 'unknown')
    """
    if ratio is None or math.isnan(ratio):
        return UNKNOWN
    if math.isinf(ratio):
        return "∞"
    if ratio >= LARGEST_RATIO:
        return f"> {LARGEST_RATIO:g}x"
    if 0 < ratio <= 1.0 / LARGEST_RATIO:
        return f"below {1.0 / LARGEST_RATIO:g}x"
    return f"{_two_digits(ratio)}x"


def interval(low: float | None, high: float | None) -> str:
    """Format the confidence interval of a ratio: [1.7, 5.1]; an unbounded side is 0 or ∞.

    >>> interval(1.72, None)
    '[1.7, ∞]'
    """
    return f"[{_bound(low, '0')}, {_bound(high, '∞')}]"


def _bound(value: float | None, unbounded: str) -> str:
    if value is None or not math.isfinite(value):
        return unbounded
    return _two_digits(value)


def _two_digits(value: float) -> str:
    if value < 0.1:
        return f"{value:.2g}"
    if value < 0.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"


def evidence(e_value: float) -> str:
    """Format an e-value: 412, 0.03, 10^7; rounded down, so that 99.9 of 100 does not read as enough.

    >>> evidence(412.3), evidence(99.97), evidence(1.23e7), evidence(0.034), evidence(0.001)
    ('412', '99', '10^7', '0.034', '0')
    """
    if not math.isfinite(e_value):
        return "∞" if e_value > 0 else UNKNOWN
    if e_value >= 1e6:
        return f"10^{_magnitude(e_value)}"
    if e_value < 0.01:
        return "0"
    return f"{math.floor(e_value):,}" if e_value >= 10 else f"{e_value:.2g}"


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
