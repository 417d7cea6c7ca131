"""Checks of a Prometheus-compatible server: whether its metrics are as `[store.metrics]` says."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from pratique.check.finding import Check, SkippedError, WarnedError
from pratique.clock import iso, utc_now
from pratique.config import MetricMapping, StoreSettings
from pratique.errors import MissingError, PratiqueError
from pratique.number_text import span
from pratique.store.label_mapping import LabelSource
from pratique.store.prometheus.client import Labels, PrometheusClient, selector
from pratique.store.prometheus.samples import request_names
from pratique.store.prometheus.store import PrometheusStore

URL, METRICS = "store.url", "store.metrics"
LISTED = 8
LEAST_AGE_S = 90.0
"""Age of the newest scrape from which a release ends, unless windows are longer."""
FORMS = ("", "_bucket", "_sum")
"""What the names of the series of a histogram end with; a native one has its own name."""


def metric_checks(settings: StoreSettings) -> Iterator[Check]:
    """Yield the checks of a store that reads the metrics of another program."""
    look = _MetricsLook(settings)
    yield Check(URL, look.server)
    yield Check(METRICS, look.requests)
    yield Check(METRICS, look.labels)
    yield Check(METRICS, look.latency)
    yield Check(METRICS, look.revisions)
    yield Check(METRICS, look.newest)


class _MetricsLook:
    """Looks at the metrics. What follows from a server or a counter that is not there is not reported again."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._mapping: MetricMapping = settings.metrics
        self._client: PrometheusClient | None = None
        self._series: list[Labels] = []

    def server(self) -> str:
        """Whether the server answers like Prometheus."""
        PrometheusStore(self._settings)
        client = PrometheusClient(self._settings.url, self._settings.prometheus)
        client.names(selector("up", {}, {}), *self._range())
        self._client = client
        return "the server answers"

    def requests(self) -> str:
        """Whether the counters of requests are there."""
        self._series = self._found(request_names(self._mapping.requests), matching=True)
        if not self._series:
            if self._mapping.match and self._found(self._mapping.requests, matching=False):
                raise MissingError(f"no series of {self._mapping.requests} has the labels of match: correct it")
            raise MissingError(
                f"no series {self._mapping.requests!r} in the last {self._mapping.history_h:g} h{self._similar(self._mapping.requests)}"
            )
        names = sorted({labels["__name__"] for labels in self._series})
        return f"requests are counted by {_listed(names)}"

    def labels(self) -> str:
        """Whether the counters have the labels that the mapping names."""
        self._require_series()
        sources = [
            ("service", self._mapping.service),
            ("revision", self._mapping.revision),
            ("code", self._mapping.code),
        ]
        sources += [("action", source) for source in self._mapping.action]
        for key, text in sources:
            source = LabelSource(text)
            if source.labels and not any(source.value(labels) for labels in self._series):
                raise WarnedError(
                    f"{key} = {text!r} has no value on any counter, so {_EFFECTS[key]}: they have the labels {self._own_labels()}"
                )
        if not self._mapping.code:
            raise WarnedError(f"code names no label, so {_EFFECTS['code']}: they have the labels {self._own_labels()}")
        codes = sorted({LabelSource(self._mapping.code).value(labels) for labels in self._series} - {""})
        return f"the counters have the codes {_listed(codes)}"

    def latency(self) -> str:
        """Whether the histogram is there."""
        self._require_series()
        names = [name for name in self._mapping.latency.split("|") if name]
        if not names:
            raise WarnedError("latency names no histogram, so guards on latency cannot be evaluated")
        found = self._found("|".join(f"{name}{end}" for name in names for end in FORMS), matching=True)
        if any("quantile" in labels for labels in found):
            raise WarnedError(
                f"{self._mapping.latency!r} is a summary: quantiles of several processes and times cannot be added up, so guards on latency "
                "cannot be evaluated: let the program expose a histogram"
            )
        if not found:
            raise WarnedError(
                f"no histogram {self._mapping.latency!r}, so guards on latency cannot be evaluated{self._similar(self._mapping.latency)}"
            )
        bounds = sorted({float(labels["le"]) for labels in found if _is_number(labels.get("le", ""))})
        unit = self._mapping.latency_unit
        if not bounds:
            return f"durations are in native histograms, in {unit}"
        return f"durations are known at {_listed([f'{bound:g} {unit}' for bound in bounds if bound != float('inf')])}"

    def revisions(self) -> str:
        """Whether the counters name services and revisions."""
        self._require_series()
        found = PrometheusStore(self._settings).revisions()
        if not found:
            raise WarnedError(
                f"no request of the last {self._mapping.history_h:g} h has a service as [store.metrics] says"
            )
        named = [f"{seen.service} {seen.revision}" for seen in found if seen.revision != "none"]
        if not named:
            raise WarnedError(
                f"no request names a revision: correct revision: the counters have the labels {self._own_labels()}"
            )
        return f"it has requests of {_listed(named)}"

    def newest(self) -> str:
        """Whether the server scrapes at the moment."""
        self._require_series()
        newest = PrometheusStore(self._settings).newest()
        if newest is None:
            raise WarnedError(
                f"no scrape is younger than {self._mapping.lookback_s} s: a release could not be measured"
            )
        age = utc_now() - newest
        if age > timedelta(seconds=max(LEAST_AGE_S, 2.5 * self._mapping.window_s)):
            raise WarnedError(
                f"the newest scrape is of {iso(newest)}, {span(age.total_seconds())} ago: a release could not be measured"
            )
        return f"the newest scrape is of {iso(newest)}"

    def _found(self, names: str, *, matching: bool) -> list[Labels]:
        match = self._mapping.match if matching else {}
        return self._require_client().series(selector(names, match, {}), *self._range())

    def _similar(self, names: str) -> str:
        """Names of the server that resemble those that it does not have."""
        try:
            known = self._require_client().names('{__name__!=""}', *self._range())
        except PratiqueError:
            return ""
        wanted = names.partition("|")[0]
        found = difflib.get_close_matches(wanted, known, n=3, cutoff=0.7)
        found += [name for name in known if name.startswith(wanted) and name not in found][:2]
        return f": it has {_listed(found)}" if found else ": check the targets of the server"

    def _own_labels(self) -> str:
        return _listed(sorted({name for labels in self._series for name in labels} - {"__name__", "le"}))

    def _range(self) -> tuple[int, int]:
        now_s = int(utc_now().timestamp()) + 1
        return now_s - round(self._mapping.history_h * 3600), now_s

    def _require_client(self) -> PrometheusClient:
        if self._client is None:
            raise SkippedError("not looked at: the server cannot be used")
        return self._client

    def _require_series(self) -> None:
        self._require_client()
        if not self._series:
            raise SkippedError("not looked at: there are no counters of requests")


_EFFECTS = {
    "code": "every request counts as 200, and errors are not seen",
    "service": "no request has a service",
    "revision": "revisions cannot be told apart",
    "action": "actions cannot be told apart",
}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _listed(names: Sequence[str] | Iterable[str]) -> str:
    shown = [name[:60] for name in names]
    more = f" and {len(shown) - LISTED} more" if len(shown) > LISTED else ""
    return ", ".join(shown[:LISTED]) + more if shown else "none"
