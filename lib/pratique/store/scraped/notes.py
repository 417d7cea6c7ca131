"""What counts of other programs cannot tell, in sentences for the people who read the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pratique.clock import from_ms
from pratique.number_text import duration, plural
from pratique.store.label_mapping import NO_ANSWER, Tags
from pratique.store.scraped.increases import Counter, Growth, Scrapes
from pratique.store.scraped.rows import Span

GAP = 2.5
"""How many times the usual interval must lie between two scrapes for one to be missing."""
MOST_TOLD = 3
"""How many gaps or targets are listed one by one."""


@dataclass(frozen=True)
class Words:
    """How a kind of store calls a sample of its counters, and the table of the service file that maps them."""

    sample: str
    table: str


class Uncounted:
    """Requests of before the first sample of a target, by revision and target."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.requests: dict[tuple[str, tuple[str, ...]], float] = {}

    def add(self, tags: Tags, counter: Counter, grown: Growth) -> None:
        """Add the requests that are not counted of a counter that begins within the range."""
        if len(counter.time_ms) and self._span.first_ms < int(counter.time_ms[0]) <= self._span.last_ms:
            key = (tags.revision, counter.target)
            self.requests[key] = self.requests.get(key, 0.0) + grown.uncounted


def of_windows(interval_ms: int, window_ms: int, words: Words) -> Iterator[str]:
    """Say when the windows are no multiple of the interval between two samples."""
    if not interval_ms:
        return
    times = window_ms / interval_ms
    if times < 0.95 or abs(times - round(times)) > 0.1:
        every = f"{interval_ms / 1000:g} s"
        yield (
            f"{words.sample}s come every {every}, and windows of {window_ms / 1000:g} s are no multiple of that, so windows have "
            f"different numbers of {words.sample}s: set [{words.table}] window_s to a multiple"
        )


def of_gaps(scrapes: Scrapes, span: Span, lookback_ms: int, words: Words) -> Iterator[str]:
    """Say where samples of a target are missing within the range."""
    usual = scrapes.interval_ms()
    found = []
    for target, times in scrapes.times.items():
        inside = times[(times > span.first_ms - usual) & (times <= span.last_ms)]
        missing = np.flatnonzero(np.diff(inside) > GAP * usual)
        found += [(_shown(target), int(inside[index]), int(inside[index + 1])) for index in missing]
    for name, since, until in found[:MOST_TOLD]:
        known = until - since <= lookback_ms
        what = f"count in the window of the next {words.sample}" if known else "are not counted"
        yield (
            f"no {words.sample} of {name} from {from_ms(since):%Y-%m-%d %H:%M:%S} to {from_ms(until):%H:%M:%S} UTC: requests in "
            f"between {what}"
        )
    if len(found) > MOST_TOLD:
        yield f"{len(found) - MOST_TOLD} more gaps between {words.sample}s of {plural(len(scrapes.times), 'target')}"


def of_first_values(uncounted: Uncounted, words: Words) -> Iterator[str]:
    """Say which requests came before the first sample of a target, so that nobody knows when."""
    found = [(revision, target, round(n)) for (revision, target), n in uncounted.requests.items() if n >= 1]
    for revision, target, n in found[:MOST_TOLD]:
        yield f"{plural(n, 'request')} of {revision} before the first {words.sample} of {_shown(target)} are not counted"
    if len(found) > MOST_TOLD:
        rest = sum(n for _, _, n in found[MOST_TOLD:])
        yield f"{plural(rest, 'request')} before the first {words.sample} of {len(found) - MOST_TOLD} more targets are not counted"


def of_codes(tags: Iterable[Tags]) -> Iterator[str]:
    """Say when some codes are missing, known by their class only, or no numbers."""
    tags = list(tags)
    codes = {one.code for one in tags}
    if None in codes:
        yield "some counters have no label for the status code: their requests count as 200, and errors among them are not seen"
    if any(one.code_is_class for one in tags):
        yield "some codes are known by their class only, such as 5xx: one code that takes the place of another is not seen"
    if NO_ANSWER in codes:
        yield 'a status that is not a number, such as "other", counts as no answer'


def of_unseen_codes(tags: Iterable[Tags], label: str, words: Words) -> Iterator[str]:
    """Say when counts lack the label that should have the status code, as a wrong name does. label: of the mapping, "" for none."""
    if label and any(one.code is None for one in tags):
        yield (
            f"some counts have no label {label!r} for the status code: they count as 200, and errors among them are not seen: "
            f"set [{words.table}] code to the label that has it"
        )


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
