"""Every query of the dashboard for Prometheus gives a series for each revision on the real servers."""

import time

import pytest

from support.grafana import Dashboard
from support.prometheus_fixture import KINDS, metric_server
from support.scraped_traffic import Traffic

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]
DASHBOARD = Dashboard("prometheus")
INTERVAL = {"__rate_interval": "1m"}


def filled_in(text):
    """A query as Grafana sends it, with the defaults of the dashboard's variables."""
    return DASHBOARD.filled_in(text, **INTERVAL)


@pytest.fixture(scope="module", params=KINDS)
def server(request, tmp_path_factory):
    start = (int(time.time()) // 3600 - 2) * 3600
    with metric_server(request.param, tmp_path_factory.mktemp("grafana"), Traffic(start).samples()) as found:
        yield found, start


@pytest.mark.parametrize("title", sorted(DASHBOARD.panels.keys() - {"Weights"}))
def test_a_panel_shows_each_revision(server, title):
    found, start = server
    series = found.query(filled_in(DASHBOARD.target(title)), time=start + 50 * 60)
    assert {one["metric"]["version"] for one in series} == {"r1", "r2"}
    assert all(float(one["value"][1]) >= 0 for one in series)


def test_the_shares_of_the_revisions_sum_to_one(server):
    found, start = server
    series = found.query(filled_in(DASHBOARD.target("Share of the requests")), time=start + 50 * 60)
    assert sum(float(one["value"][1]) for one in series) == pytest.approx(1.0)


def test_the_annotation_marks_the_first_requests_of_a_revision(server):
    found, start = server
    annotation = DASHBOARD.annotations["a revision gets its first requests"]
    query = filled_in(annotation["expr"])
    marked = [found.query(query, time=start + minutes * 60) for minutes in (29, 31, 50)]
    assert [[one["metric"]["version"] for one in series] for series in marked] == [[], ["r2"], []]


def test_every_variable_of_a_query_is_defined():
    assert DASHBOARD.names() <= DASHBOARD.variables.keys() | INTERVAL.keys()
