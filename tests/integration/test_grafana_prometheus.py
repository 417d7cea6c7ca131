"""Every query of the dashboard for Prometheus gives a series for each revision on the real servers."""

import json
import re
import time
from pathlib import Path

import pytest

from support.prometheus_fixture import KINDS, metric_server
from support.scraped_traffic import Traffic

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]
DASHBOARD = json.loads((Path(__file__).parents[2] / "examples/suite/grafana/prometheus.json").read_text())
VARIABLES = {one["name"]: one.get("query", "") for one in DASHBOARD["templating"]["list"]} | {"__rate_interval": "1m"}
QUERIES = {panel["title"]: target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]}
NAME = re.compile(r"\$\{(\w+)\}|\$(\w+)")


def filled_in(text):
    """A query as Grafana sends it, with the defaults of the dashboard's variables."""
    return NAME.sub(lambda found: VARIABLES[found[1] or found[2]], text)


@pytest.fixture(scope="module", params=KINDS)
def server(request, tmp_path_factory):
    start = (int(time.time()) // 3600 - 2) * 3600
    with metric_server(request.param, tmp_path_factory.mktemp("grafana"), Traffic(start).samples()) as found:
        yield found, start


@pytest.mark.parametrize("title", QUERIES)
def test_a_panel_shows_each_revision(server, title):
    found, start = server
    series = found.query(filled_in(QUERIES[title]), time=start + 50 * 60)
    assert {one["metric"]["version"] for one in series} == {"r1", "r2"}
    assert all(float(one["value"][1]) >= 0 for one in series)


def test_the_shares_of_the_revisions_sum_to_one(server):
    found, start = server
    series = found.query(filled_in(QUERIES["Share of the requests"]), time=start + 50 * 60)
    assert sum(float(one["value"][1]) for one in series) == pytest.approx(1.0)


def test_the_annotation_marks_the_first_requests_of_a_revision(server):
    found, start = server
    (annotation,) = DASHBOARD["annotations"]["list"]
    query = filled_in(annotation["expr"])
    marked = [found.query(query, time=start + minutes * 60) for minutes in (29, 31, 50)]
    assert [[one["metric"]["version"] for one in series] for series in marked] == [[], ["r2"], []]


def test_every_variable_of_a_query_is_defined():
    texts = [*QUERIES.values(), *(one["expr"] for one in DASHBOARD["annotations"]["list"])]
    assert {found[1] or found[2] for text in texts for found in NAME.finditer(text)} <= VARIABLES.keys()
