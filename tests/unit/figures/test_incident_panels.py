"""What to leave alone, and what to distrust."""

from pratique import figures
from support.incident_values import nothing_shown, sample_incident, sample_investigation


def test_parts_that_are_not_worse_come_before_those_that_are_not_known():
    panel = figures.unaffected(sample_investigation())
    assert panel.html.index("web1") < panel.html.index("GET /rare")
    assert "at most 1.1x" in panel.html
    assert panel.text.splitlines()[-1] == "action GET /rare: cannot tell, cannot tell, 14 requests"


def test_without_any_the_panel_says_why():
    assert "too few requests" in figures.unaffected(sample_investigation(sample_incident(unaffected=()))).text


def test_findings_are_listed_and_none_is_said():
    assert "dropped 12 lines" in figures.incident_findings(sample_investigation()).html
    assert "No problems found" in figures.incident_findings(nothing_shown()).text
