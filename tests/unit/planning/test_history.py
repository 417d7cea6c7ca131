"""Traffic measured in rollups, by the judge's own thresholds."""

import pyarrow as pa
import pytest

from pratique.config import Policy, StoreSettings
from pratique.errors import MissingError
from pratique.planning.history import measure, traffic_of
from pratique.planning.seen import revisions_seen
from pratique.store import open_store
from pratique.telemetry.rollups import Rollups
from support.canaries import history


@pytest.fixture(scope="module")
def hour():
    return history(600.0, 0.02)


def test_rates_are_those_of_the_requests(hour):
    found = traffic_of(hour, Policy())
    assert found.per_minute == pytest.approx(600, rel=0.02)
    assert found.window_s == 60
    assert found.history == sum(hour.table["n"].to_pylist())
    assert found.outcomes["5xx"].rate == pytest.approx(0.02, rel=0.2)
    # a threshold is the end of the bucket that has the quantile, so at most that share is slower
    assert 0.44 < found.outcomes["p50"].rate <= 0.5
    assert 0.03 < found.outcomes["p95"].rate <= 0.05
    assert found.outcomes["p95"].ratio > 1.1


def test_even_traffic_has_little_dispersion_and_a_fixed_one_is_kept(hour):
    assert traffic_of(hour, Policy()).outcomes["5xx"].dispersion < 2
    assert traffic_of(hour, Policy(dispersion=3.0)).outcomes["5xx"].dispersion == 3.0


def test_an_outcome_that_never_occurred_is_rare_not_impossible():
    found = traffic_of(history(600.0, 0.0), Policy())
    assert 0 < found.outcomes["5xx"].rate < 1e-4


def test_the_rate_is_that_of_all_revisions_and_the_outcomes_those_of_the_largest(hour):
    small = history(60.0, 0.5, seed=2).table
    renamed = small.set_column(small.schema.get_field_index("revision"), "revision", pa.array(["r0"] * len(small)))
    found = traffic_of(Rollups(pa.concat_tables([hour.table, renamed.cast(hour.table.schema)])), Policy())
    assert found.per_minute == pytest.approx(660, rel=0.02)
    assert found.outcomes["5xx"].rate < 0.03


def test_the_store_is_measured(tmp_path, hour):
    store = open_store(str(tmp_path))
    store.write(hour)
    found = measure(store, "shop", Policy(), window_s=120)
    assert found.per_minute == pytest.approx(600, rel=0.02)
    assert found.window_s == 120


def test_an_unknown_service_is_named(tmp_path, hour):
    store = open_store(str(tmp_path))
    store.write(hour)
    with pytest.raises(MissingError, match=r"'cart'.*shop"):
        measure(store, "cart", Policy())
    with pytest.raises(MissingError, match="requests-per-minute"):
        traffic_of(Rollups.empty(), Policy())


class Scraped:
    """A store that is read from what another server scrapes, without a request."""

    def newest(self):
        return None

    def revisions(self, *_):
        return []


def test_a_scraped_store_without_requests_asks_for_no_import():
    with pytest.raises(MissingError, match=r"--requests-per-minute, or check \[store.metrics\]") as refused:
        revisions_seen(Scraped(), "shop")
    assert "import a log" not in str(refused.value)


@pytest.mark.parametrize(("url", "window_s"), [("prometheus://h:9090", 30), ("folder", 10)])
def test_windows_are_as_long_as_the_store_makes_them(url, window_s):
    settings = StoreSettings(url=url, metrics={"window_s": 30, "requests": "http_requests_total"})
    assert settings.window_s(10) == window_s
