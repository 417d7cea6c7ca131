"""The same traffic twice: as rollups that a collector would have stored, and as samples that a server would have scraped."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pratique.telemetry.rollups import Rollups

BOUNDS_MS = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0)
WINDOW_S = 60
SCRAPE_S = 15


@dataclass
class Traffic:
    """Requests of the revisions r1 and r2 of shop, and the scrapes of their processes.

    start_s: of the first window, epoch seconds. The canary r2 begins after `history` windows.
    """

    start_s: int
    history: int = 30
    windows: int = 60
    errors: dict = field(default_factory=lambda: {"r1": 0.01, "r2": 0.01})
    slower: float = 1.0
    offset_s: float = 0.0
    seed: int = 7
    canary: float = 0.1

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        parts = []
        for revision, share, first in (("r1", 1 - self.canary, 0), ("r2", self.canary, self.history)):
            n = rng.poisson(600 * share, self.windows - first).sum()
            # odd milliseconds are no bounds of windows or scrapes: a request at a bound could count on either side
            whole = rng.integers(first * WINDOW_S * 1000, self.windows * WINDOW_S * 1000, n) // 2 * 2 + 1
            durations = rng.lognormal(np.log(12.0 * (self.slower if revision == "r2" else 1.0)), 0.7, n)
            parts.append(
                {
                    "time_ms": self.start_s * 1000 + whole,
                    "revision": [revision] * n,
                    "action": rng.choice(["GET /", "POST /cart"], n).tolist(),
                    "code": np.where(rng.random(n) < self.errors[revision], 500, 200),
                    "duration_ms": durations,
                }
            )
        self.parts = parts

    def rollups(self):
        """What a collector with windows of the same length would have stored."""
        tables = []
        for part in self.parts:
            n = len(part["time_ms"])
            columns = {**part, "service": ["shop"] * n, "host": [part["revision"][0]] * n, "source": ["collector"] * n}
            columns["code"] = pa.array(part["code"], pa.int16())
            tables.append(Rollups.from_events(pa.table(columns), window_s=WINDOW_S))
        return tables[0].merge(tables[1])

    def samples(self, *, bounds_ms=BOUNDS_MS, coded=True):
        """What a server that scrapes every SCRAPE_S would have stored. coded: the histogram has a label for the code."""
        scrapes = np.arange(0, self.windows * WINDOW_S + 2 * SCRAPE_S, SCRAPE_S) + self.offset_s
        found = []
        for part in self.parts:
            revision = part["revision"][0]
            begun = self.history * WINDOW_S if revision == "r2" else 0
            target = {"job": "shop", "instance": f"{revision}:8000", "service": "shop", "version": revision}
            scraped = scrapes[scrapes >= begun]
            at = [round(self.start_s + scrape, 3) for scrape in scraped.tolist()]
            found += [("process_start_time_seconds", target, time, self.start_s + begun - 1) for time in at]
            code, action = np.array(part["code"]), np.array(part["action"])
            second = part["time_ms"] / 1000 - self.start_s
            for name in np.unique(action):
                method, handler = name.split(" ")
                labels = {**target, "method": method, "handler": handler}
                for number in (200, 500):
                    chosen, coded_labels = (action == name) & (code == number), {**labels, "code": str(number)}
                    counts = _up_to(second[chosen], scraped)
                    found += [
                        ("http_requests_total", coded_labels, *one) for one in zip(at, counts, strict=True) if one[1]
                    ]
                    if coded:
                        found += _histogram(
                            coded_labels, at, scraped, second[chosen], part["duration_ms"][chosen], bounds_ms
                        )
                if not coded:
                    chosen = action == name
                    found += _histogram(labels, at, scraped, second[chosen], part["duration_ms"][chosen], bounds_ms)
        return sorted(found, key=lambda sample: (sample[0], str(sample[1]), sample[2]))


def _up_to(second, scraped):
    """How many of some times are at or before each scrape."""
    return np.searchsorted(np.sort(second), scraped, side="right").tolist()


def _histogram(labels, at, scraped, second, durations, bounds_ms):
    """The samples of a classic histogram; like a counter, it appears with its first request."""
    name, counts = "http_request_duration_seconds", _up_to(second, scraped)
    known = [index for index, count in enumerate(counts) if count]
    order = np.argsort(second)
    sums = np.concatenate([[0.0], np.cumsum(durations[order]) / 1000])
    for bound in bounds_ms:
        up_to = _up_to(second[durations <= bound], scraped)
        yield from (
            (f"{name}_bucket", {**labels, "le": f"{bound / 1000:g}"}, at[index], up_to[index]) for index in known
        )
    for index in known:
        yield f"{name}_bucket", {**labels, "le": "+Inf"}, at[index], counts[index]
        yield f"{name}_count", labels, at[index], counts[index]
        yield f"{name}_sum", labels, at[index], round(float(sums[counts[index]]), 6)
