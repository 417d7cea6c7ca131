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
            code, action = np.array(part["code"]), np.array(part["action"])
            second = part["time_ms"] / 1000 - self.start_s
            seconds = [scrape for scrape in scrapes if scrape >= begun]
            for scrape in seconds:
                at = round(self.start_s + scrape, 3)
                found.append(("process_start_time_seconds", target, at, self.start_s + begun - 1))
                before = second <= scrape
                for name in np.unique(action):
                    method, handler = name.split(" ")
                    for number in (200, 500):
                        labels = {**target, "method": method, "handler": handler, "code": str(number)}
                        chosen = before & (action == name) & (code == number)
                        if chosen.any():
                            found.append(("http_requests_total", labels, at, int(chosen.sum())))
                            if coded:
                                found += _histogram(labels, at, part["duration_ms"][chosen], bounds_ms)
                    if not coded:
                        labels = {**target, "method": method, "handler": handler}
                        chosen = before & (action == name)
                        found += _histogram(labels, at, part["duration_ms"][chosen], bounds_ms) if chosen.any() else []
        return sorted(found, key=lambda sample: (sample[0], str(sample[1]), sample[2]))


def _histogram(labels, at, durations, bounds_ms):
    name = "http_request_duration_seconds"
    for bound in bounds_ms:
        yield f"{name}_bucket", {**labels, "le": f"{bound / 1000:g}"}, at, int((durations <= bound).sum())
    yield f"{name}_bucket", {**labels, "le": "+Inf"}, at, len(durations)
    yield f"{name}_count", labels, at, len(durations)
    yield f"{name}_sum", labels, at, round(float(durations.sum()) / 1000, 6)
