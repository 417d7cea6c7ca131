"""What scraped metrics cannot tell, in sentences for the people who read the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from pratique.clock import from_ms
from pratique.number_text import duration, plural
from pratique.store.label_mapping import NO_ANSWER, Tags
from pratique.store.prometheus.increases import Scrapes
from pratique.store.prometheus.rows import Span

GAP = 2.5
"""How many times the usual interval must lie between two scrapes for one to be missing."""
MOST_TOLD = 3
"""How many gaps or targets are listed one by one."""


def of_windows(interval_ms: int, window_ms: int) -> Iterator[str]:
    """Say when the windows are no multiple of the scrape interval."""
    if not interval_ms:
        return
    times = window_ms / interval_ms
    if times < 0.95 or abs(times - round(times)) > 0.1:
        every = f"{interval_ms / 1000:g} s"
        yield (
            f"scrapes come every {every}, and windows of {window_ms / 1000:g} s are no multiple of that, so windows have "
            "different numbers of scrapes: set [store.metrics] window_s to a multiple"
        )


def of_gaps(scrapes: Scrapes, span: Span) -> Iterator[str]:
    """Say where scrapes of a target are missing within the range."""
    usual = scrapes.interval_ms()
    found = []
    for target, times in scrapes.times.items():
        inside = times[(times > span.first_ms - usual) & (times <= span.last_ms)]
        missing = np.flatnonzero(np.diff(inside) > GAP * usual)
        found += [(_shown(target), int(inside[index]), int(inside[index + 1])) for index in missing]
    for name, since, until in found[:MOST_TOLD]:
        yield (
            f"no scrape of {name} from {from_ms(since):%Y-%m-%d %H:%M:%S} to {from_ms(until):%H:%M:%S} UTC: requests in "
            "between count in the window of the next scrape"
        )
    if len(found) > MOST_TOLD:
        yield f"{len(found) - MOST_TOLD} more gaps between scrapes of {plural(len(scrapes.times), 'target')}"


def of_first_values(uncounted: Mapping[tuple[str, tuple[str, ...]], float]) -> Iterator[str]:
    """Say which requests came before the first scrape of a target, so that nobody knows when."""
    found = [(revision, target, round(n)) for (revision, target), n in uncounted.items() if n >= 1]
    for revision, target, n in found[:MOST_TOLD]:
        yield f"{plural(n, 'request')} of {revision} before the first scrape of {_shown(target)} are not counted"
    if len(found) > MOST_TOLD:
        rest = sum(n for _, _, n in found[MOST_TOLD:])
        yield f"{plural(rest, 'request')} before the first scrape of {len(found) - MOST_TOLD} more targets are not counted"


def of_codes(tags: Iterable[Tags]) -> Iterator[str]:
    """Say when the counters have no code."""
    codes = {one.code for one in tags}
    if None in codes:
        yield "some counters have no label for the status code: their requests count as 200, and errors among them are not seen"
    if NO_ANSWER in codes:
        yield 'a status that is not a number, such as "other", counts as no answer'


def of_bounds(bounds_ms: tuple[float, ...]) -> Iterator[str]:
    """Say at which bounds histograms with different ones are compared."""
    if not bounds_ms:
        yield "the histograms have no bound in common, so latency is not judged"
    else:
        yield (
            "the histograms have different bounds, so latency is compared at those that all of them have: "
            f"{', '.join(map(duration, bounds_ms))}"
        )


def _shown(target: tuple[str, ...]) -> str:
    return "/".join(part for part in target if part)[:80] or "the target"
