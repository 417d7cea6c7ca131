"""A click on a place or a suspect changes the panels that belong to it; a wrong choice is said beside the controls."""

import pytest

from pratique.figures.theme import MIME
from pratique.report import open_incident
from pratique.widgets import explore_incident
from pratique.widgets.explorer import STATIC, Explorer
from support.incident_demo import demo_file

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def opened():
    return open_incident("shop", config=str(demo_file()))


@pytest.fixture
def explorer(opened):
    return Explorer(opened)


def drawn(shown):
    """The title and texts of the figure that a place shows now."""
    (output,) = shown.widget.outputs
    return output["data"].get("text/html") or str(output["data"][MIME]["layout"])


def test_without_a_person_it_says_where_one_can_ask(opened):
    assert explore_incident(opened).text == STATIC


def test_the_first_place_and_suspect_are_shown_at_first(explorer):
    assert "POST /checkout" in drawn(explorer.shown._place)
    assert "needed: 100" in drawn(explorer.shown._suspect)
    assert explorer.shown.tabs.get_title(0).startswith("Place: POST /checkout")


def test_a_clicked_suspect_changes_the_evidence(explorer):
    before = drawn(explorer.shown._suspect)
    explorer.shown.suspects.value = 1
    assert drawn(explorer.shown._suspect) != before


def test_a_clicked_place_sets_the_controls_of_the_comparison(explorer):
    explorer.shown.compare.action.value = "all"
    (output,) = explorer.shown._places.widget.outputs
    (bars,) = output["data"][MIME]["data"]
    clicked = next(row for row in bars["customdata"] if row[2] == 0)
    explorer.shown.clicks._handle_custom_msg({"customdata": clicked}, [])
    assert explorer.shown.compare.action.value == "POST /checkout"


def test_two_revisions_are_compared_by_the_chosen_dimension(explorer):
    box = explorer.shown.compare
    box.action.value, box.dimension.value = "all", "action"
    box.first[0].value, box.second[0].value = "r41", "r42"
    box.first[1].value = box.second[1].value
    box.first[2].value = box.second[2].value
    (output,) = box._figure.widget.outputs
    assert output["data"][MIME]["layout"]["yaxis"]["ticktext"][0] == "POST /checkout"
    box.dimension.value = "host"
    (output,) = box._figure.widget.outputs
    assert set(output["data"][MIME]["layout"]["yaxis"]["ticktext"]) == {"web1", "web2"}


@pytest.mark.parametrize(("text", "message"), [("soon", "'soon' is not a time"), ("2026-11-20T23:00", "is not before")])
def test_a_wrong_time_of_a_comparison_is_said_beside_the_controls(explorer, text, message):
    explorer.shown.compare.first[1].value = text
    assert message in explorer.shown.compare.problem.value


def test_another_service_is_analysed(explorer):
    explorer.service.value = "payments"
    explorer.ask()
    assert explorer.said.value == ""
    assert explorer.opened.incident.answer == "no change of ours explains it"
    assert explorer.service.options == ("payments", "search", "shop")


@pytest.mark.parametrize(("control", "text"), [("outcome", "bad"), ("start", "never"), ("end", "2026-11-20T01:00")])
def test_a_wrong_question_is_said_and_the_panels_stay(explorer, control, text):
    before = explorer.shown
    getattr(explorer, control).value = text
    explorer.ask()
    assert explorer.said.value
    assert explorer.shown is before


def test_where_nothing_is_shown_the_panels_say_so(explorer):
    explorer.service.value = "search"
    explorer.ask()
    assert "No place is shown" in drawn(explorer.shown._place)
    assert "No change is suspected" in drawn(explorer.shown._suspect)
