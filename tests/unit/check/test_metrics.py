"""Each slip in `[store.metrics]` is one line, on a real server with metrics that no preset has."""

import time

import pytest

from pratique.check.store import store_checks
from pratique.config import Config, MetricMapping, StoreSettings
from pratique.errors import UsageError
from support import native_histograms
from support.prometheus_fixture import metric_server

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]
RIGHT = {
    "requests": "acme_calls_total",
    "latency": "acme_call_duration_ms",
    "service": "app",
    "revision": "release",
    "action": ("operation",),
    "code": "status_class",
}
NO_LABEL = "they have the labels app, instance, job, operation, release, status_class"


class NoTraffic:
    def samples(self):
        return []


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    now, samples = int(time.time()), []
    for at in range(now - 300, now, 15):
        target = {"job": "app", "instance": "a:1", "app": "billing", "release": "2024.1", "operation": "pay"}
        count = float(at - now + 300)
        for status in ("2xx", "5xx"):
            samples += [("acme_calls_total", {**target, "status_class": status}, at, count)]
            samples += [("acme_calls_created", {**target, "status_class": status}, at, now - 300.0)]
        for bound in ("5", "25", "+Inf"):
            samples += [("acme_call_duration_ms_bucket", {**target, "le": bound}, at, count)]
        samples += [("acme_latency_seconds", {**target, "quantile": "0.95"}, at, 0.02)]
    folder = tmp_path_factory.mktemp("metrics")
    with metric_server("prometheus", folder, arguments=native_histograms.ARGUMENTS) as found:
        native_histograms.send(found, NoTraffic(), also=samples)
        yield found


def findings(server, **changed):
    mapping = MetricMapping(**{**RIGHT, **changed})
    settings = StoreSettings(url=server.address, metrics=mapping)
    found = [(each.state, each.message) for each in (check.run() for check in store_checks(Config(store=settings)))]
    assert not [message for _, message in found if "\n" in message]
    return found


def test_all_is_well(server):
    assert findings(server)[:-1] == [
        ("ok", "the server answers"),
        ("ok", "requests are counted by acme_calls_total"),
        ("ok", "the counters have the codes 2xx, 5xx"),
        ("ok", "durations are known at 5 ms, 25 ms"),
        ("ok", "it has requests of billing 2024.1"),
    ]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"requests": "acme_calls"}, ("problem", "no series 'acme_calls' in the last 48 h: it has acme_calls_")),
        ({"match": {"cluster": "eu"}}, ("problem", "no series of acme_calls_total has the labels of match")),
        ({"code": "status"}, ("warning", f"every request counts as 200, and errors are not seen: {NO_LABEL}")),
        ({"code": ""}, ("warning", "code names no label")),
        ({"service": "service"}, ("warning", f"no request has a service: {NO_LABEL}")),
        ({"revision": "release:^v(.+)"}, ("warning", "revision = 'release:^v(.+)' has no value on any counter")),
        ({"latency": ""}, ("warning", "latency names no histogram")),
        ({"latency": "acme_call_duration"}, ("warning", "no histogram 'acme_call_duration'")),
        ({"latency": "acme_latency_seconds"}, ("warning", "'acme_latency_seconds' is a summary")),
    ],
)
def test_a_slip_is_named_with_what_the_server_has(server, changed, expected):
    state, message = expected
    assert [found for found in findings(server, **changed) if found[0] == state and message in found[1]]


def test_a_server_that_does_not_answer_is_one_problem():
    settings = StoreSettings(url="prometheus://127.0.0.1:1", metrics=MetricMapping(**RIGHT))
    states = [check.run().state for check in store_checks(Config(store=settings))]
    assert states == ["problem", *["skipped"] * 5]


def test_the_unit_of_a_histogram_is_that_of_its_name():
    assert MetricMapping(**RIGHT).latency_unit == "ms"
    assert MetricMapping(**{**RIGHT, "latency": "acme_call_duration_milliseconds"}).latency_unit == "ms"
    assert MetricMapping(**{**RIGHT, "latency": "acme_items"}).latency_unit == "s"
    assert MetricMapping(**{**RIGHT, "latency_unit": "s"}).latency_unit == "s"


@pytest.mark.parametrize("name", ["acme_calls_created", "acme_calls_total|acme_call_duration_ms_bucket", "a_sum"])
def test_a_metric_that_counts_no_requests_is_refused(name):
    with pytest.raises((UsageError, ValueError), match="does not count requests"):
        MetricMapping(**{**RIGHT, "requests": name})
