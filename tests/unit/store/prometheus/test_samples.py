"""Which series count requests, when a histogram is exposed in two forms or has no counter beside it."""

from pratique.store.prometheus.client import RawSeries
from pratique.store.prometheus.samples import counter_of, counting, once, request_names

NAME = "http_duration_seconds"


def classic(name=f"{NAME}_count", at=(15, 30), **labels):
    return RawSeries({"__name__": name, "job": "shop", **labels}, [[second, str(second)] for second in at], [])


def native(name=NAME, at=(15, 30), **labels):
    return RawSeries(
        {"__name__": name, "job": "shop", **labels}, [], [[second, {"count": "7", "sum": "1"}] for second in at]
    )


def test_a_native_histogram_counts_its_observations():
    assert request_names(f"requests_total|{NAME}_count") == f"requests_total|{NAME}_count|{NAME}"
    assert counter_of(native(), ["job"]).value.tolist() == [7, 7]


def test_a_histogram_in_two_forms_counts_once():
    found = once([classic(), native(), classic(code="500"), native(code="404")])
    assert found == [classic(), classic(code="500"), native(code="404")]


def test_the_form_that_goes_on_is_read():
    assert once([classic(at=(15,)), native(at=(15, 30))]) == [native(at=(15, 30))]
    buckets = [classic(f"{NAME}_bucket", le="1"), classic(f"{NAME}_bucket", le="+Inf"), classic(f"{NAME}_sum")]
    assert once([native(), *buckets]) == buckets


def test_another_metric_with_the_name_of_a_histogram_counts_nothing():
    gauge = classic(NAME)
    assert counting([gauge, classic()], f"requests_total|{NAME}_count") == [classic()]
