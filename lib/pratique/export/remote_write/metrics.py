"""The series that rollups and events become: their names, labels and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from pratique.export.events import Event
from pratique.export.remote_write.protocol import Series

Key = tuple[str, str, str, str, str]
"""What a counter counts: service, revision, action, code and host."""
Values = npt.NDArray[np.float64]
"""The counters of a key: requests, the sum of their durations in ms, those under each threshold, and those with a duration."""

DOUBLINGS = tuple(range(2, 15))
THRESHOLDS_MS = tuple(2**doubling for doubling in DOUBLINGS)
"""The bounds of the histogram, 4 ms to 16.4 s: bounds of the latency buckets, and of native histograms in milliseconds too."""
WIDTH = len(DOUBLINGS) + 3
"""The number of values of a key."""
KEY_LABELS = ("service", "revision", "action", "code", "host")
REQUESTS = "pratique_requests_total"
DURATION = "pratique_request_duration_seconds"
EVENT, WEIGHT = "pratique_event_timestamp_ms", "pratique_weight"
BOUNDS = (*(f"{threshold / 1000:g}" for threshold in THRESHOLDS_MS), "+Inf")
LONGEST_LABEL = 500
_COLUMNS = np.array([0, 1, WIDTH - 1, *range(2, WIDTH)])
_SCALE = np.array([1.0, 1000.0, *[1.0] * (WIDTH - 2)])
"""The value of each series: its column, and what that is divided by; durations are sent in seconds."""


def counter_labels(key: Key, common: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the labels of each series of a key. common: labels of all series."""
    labels = {**common, **dict(zip(KEY_LABELS, key, strict=True))}
    names = [{"__name__": REQUESTS}, {"__name__": f"{DURATION}_sum"}, {"__name__": f"{DURATION}_count"}]
    names += [{"__name__": f"{DURATION}_bucket", "le": bound} for bound in BOUNDS]
    return [labels | name for name in names]


def counter_values(values: Values) -> Values:
    """Return the value of each series of `counter_labels`. values: the counters of its key."""
    found: Values = (values / _SCALE)[_COLUMNS]
    return found


def event_series(event: Event, common: Mapping[str, str]) -> Iterator[Series]:
    """Yield a sample at the time of an event, whose value is that time, and one for each weight that it sets."""
    labels = {**common, "service": event.service}
    time_ms = event.time_us // 1000
    told = {"title": event.title[:LONGEST_LABEL], "text": event.text[:LONGEST_LABEL]}
    named = {**labels, "kind": event.kind, "revision": event.revision, **told, "__name__": EVENT}
    yield Series(named, ((time_ms, float(time_ms)),))
    for revision, share in event.shares.items():
        yield Series({**labels, "revision": revision, "__name__": WEIGHT}, ((time_ms, float(share)),))
