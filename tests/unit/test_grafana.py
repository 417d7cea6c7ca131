"""The dashboards of the suite are dashboards by Grafana's own schema, and each of their parts is shown."""

import json

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard as GrafanaDashboard

from support.grafana import FOLDER, Dashboard

NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
OF_DATA_SOURCES = {"step", "titleFormat", "textFormat", "tagKeys", "useValueForTime", "refId", "query"}
"""What data sources add to an annotation; Grafana's schema leaves it open."""


def unknown(given, understood, path=""):
    """The parts of a dashboard that Grafana's schema does not have."""
    if isinstance(given, dict):
        for key, value in given.items():
            if not isinstance(understood, dict) or key not in understood:
                yield f"{path}.{key}"
            else:
                yield from unknown(value, understood[key], f"{path}.{key}")
    elif isinstance(given, list):
        for number, (value, other) in enumerate(zip(given, understood, strict=True)):
            yield from unknown(value, other, f"{path}[{number}]")
    elif given != understood:
        yield f"{path}: {given!r} is read as {understood!r}"


@pytest.mark.parametrize("name", NAMES)
def test_grafana_understands_all_of_a_dashboard(name):
    content = Dashboard(name).content
    understood = json.loads(json.dumps(GrafanaDashboard.from_json(content), cls=JSONEncoder))
    found = {one for one in unknown(content, understood) if one.rpartition(".")[2] not in OF_DATA_SOURCES}
    assert found == set()


@pytest.mark.parametrize("name", NAMES)
def test_panels_have_different_ids_and_do_not_overlap(name):
    panels = Dashboard(name).content["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) == len(Dashboard(name).panels)
    places = [panel["gridPos"] for panel in panels]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("name", NAMES)
def test_every_query_asks_the_chosen_data_source(name):
    dashboard = Dashboard(name)
    asking = [*dashboard.annotations.values(), *dashboard.panels.values()]
    asking += [target for panel in dashboard.panels.values() for target in panel["targets"]]
    assert {one["datasource"]["uid"] for one in asking} == {"${datasource}"}


def test_the_dashboards_have_different_names():
    assert len({Dashboard(name).content["uid"] for name in NAMES}) == len(NAMES) >= 2
