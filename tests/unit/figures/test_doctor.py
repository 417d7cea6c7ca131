"""The panels of an examination."""

from html.parser import HTMLParser

import pytest

from pratique import figures
from support.examinations import examination, hostile_look, report
from support.host_facts import container, look

PANELS = ("doctor_banner", "hosts_by_checks", "doctor_findings", "not_looked_at", "doctor_changes", "host_loads")
CHARTS = ("containers_by_service", "memory_by_host")


def tags(markup):
    found = []
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, _: found.append(tag)
    reader.feed(markup)
    return set(found)


@pytest.mark.parametrize("name", PANELS)
def test_a_hostile_host_is_only_text(name):
    panel = getattr(figures, name)(examination(report(hostile_look())))
    assert not tags(panel.html) & {"script", "img", "iframe"}
    assert "hunter2" not in panel.html + panel.text


@pytest.mark.parametrize("name", [*PANELS, *CHARTS])
def test_a_dry_run_shows_that_nothing_was_examined(name):
    assert getattr(figures, name)(None) is not None


def test_each_state_has_its_sign():
    bad = report(look(containers=[container(HostConfig={"ReadonlyRootfs": False})]))
    silent = report(look(address="ssh://web2", missing={"containers": "it hangs"}))
    panel = figures.hosts_by_checks(examination(bad, silent))
    assert "writable-root: local ◆ 1, web2 ?" in panel.text
    assert "privileged: local ✓, web2 ?" in panel.text
    assert "Good on every host" in panel.html


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_says_its_content_in_words(name):
    chart = getattr(figures, name)(examination(report(look()), report(hostile_look())))
    assert "local" in chart.text
    assert "<script" not in chart.to_json()
