"""The page of an incident in a real browser: drawn, silent and offline; on a phone, in the dark and in print; no data executes."""

from dataclasses import replace

import pytest

from pratique import figures
from pratique.config import load
from pratique.demo.incident import END, START
from pratique.demo.traffic import Action, Fault, Service, traffic
from pratique.figures.theme import Chart
from pratique.ledger import open_ledger
from pratique.report import IncidentQuestion, write_incident
from pratique.report.page import render
from pratique.store import open_store
from support.incident_demo import demo_file
from support.incident_values import nothing_shown, sample_incident, sample_investigation, sample_suspect
from support.report_samples import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.kernel]

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DRAWN = """[...document.querySelectorAll('[data-figure]')].map(place => ({
    surfaces: place.querySelectorAll('.main-svg').length,
    marks: place.querySelectorAll('.trace, .bars .point').length,
    width: place.querySelector('.main-svg').getBoundingClientRect().width,
}))"""
INK = "getComputedStyle(document.querySelector('.xtick text, .ytick text')).fill"


@pytest.fixture(scope="module")
def page_file(chromium, tmp_path_factory):
    config = load(str(demo_file()))
    return write_incident(config, IncidentQuestion("shop"), out_dir=tmp_path_factory.mktemp("incident")).html


@pytest.fixture(scope="module")
def hostile_file(chromium, tmp_path_factory):
    """A store in which every name is hostile, with a fault in one action of one revision."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "pratique.toml").write_text('state = "."\n[store]\nurl = "store"\nretention_days = 0\n')
    config = load(str(folder / "pratique.toml"))
    began = END.replace(hour=14, minute=1)
    service = Service(
        "shop",
        600,
        (Action(HOSTILE[2], 0.5, 20, 0.002), Action(HOSTILE[5], 0.5, 20, 0.002)),
        ((START, {HOSTILE[0]: 1.0}), (began, {HOSTILE[0]: 0.8, HOSTILE[3]: 0.2})),
        hosts=(HOSTILE[6], HOSTILE[4]),
        faults=(Fault(HOSTILE[5], 503, 0.4, began, END, HOSTILE[3]),),
    )
    open_store(config.store).write(traffic(service, START, END, seed=5))
    shares = {"shares": {HOSTILE[0]: 0.8, HOSTILE[3]: 0.2}}
    for service in ("shop", HOSTILE[4]):
        open_ledger(config.state_dir).append(
            "weight", service, who=HOSTILE[1], why=HOSTILE[2], revision=HOSTILE[3], data=shares, time=began
        )
    return write_incident(config, IncidentQuestion("shop"), out_dir=folder).html


def test_every_figure_is_drawn_without_requests_or_console_messages(visit, page_file):
    page = visit(page_file)
    drawn = page.ask(DRAWN)
    assert len(drawn) == 3
    assert all(figure["surfaces"] >= 2 and figure["marks"] >= 1 for figure in drawn), drawn
    assert "Caused by a release" in page.ask("document.querySelector('.verdict').innerText")
    page.assert_quiet(page_file)


@pytest.mark.parametrize("which", ["page_file", "hostile_file"])
def test_a_phone_does_not_scroll_sideways(visit, which, request):
    path = request.getfixturevalue(which)
    page = visit(path, **PHONE)
    assert page.ask("document.documentElement.scrollWidth") <= 390
    assert all(300 <= figure["width"] <= 390 for figure in page.ask(DRAWN))
    page.assert_quiet(path)


def test_no_text_of_a_hostile_service_executes(visit, hostile_file, page_file):
    page, calm = visit(hostile_file), visit(page_file)
    assert page.ask("document.querySelectorAll('script').length") <= calm.ask(
        "document.querySelectorAll('script').length"
    )
    for selector in ("main img", "main a[href^='javascript']", "[onerror]", "svg a", "iframe", "main i", "main b"):
        assert page.ask(f"document.querySelectorAll({selector!r}).length") == 0, selector
    page.hover_over_figures()
    assert page.ask("window.__pwned") is None
    assert "<script>window.__pwned=4</script>" in page.ask("document.querySelector('.suspects').innerText")
    page.assert_quiet(hostile_file)


def test_dark_mode_and_print_have_their_own_colours(visit, page_file):
    page = visit(page_file, color_scheme="dark")
    dark = page.ask(INK)
    page.page.emulate_media(media="print", color_scheme="dark")
    page.until(f"{INK} !== {dark!r}")
    assert page.ask(INK) == "rgb(92, 103, 115)"
    assert all(figure["width"] <= 700 for figure in page.ask(DRAWN))
    assert page.page.pdf(format="A4").startswith(b"%PDF")


def test_each_figure_has_a_sentence_for_screen_readers(visit, page_file):
    labels = visit(page_file).ask("[...document.querySelectorAll('[role=img]')].map(place => place.ariaLabel)")
    assert len(labels) == 3
    assert all(label.endswith(".") for label in labels)


def outputs(*shown):
    data = [one._repr_mimebundle_() if isinstance(one, Chart) else {"text/html": one.html} for one in shown]
    return [{"cell_type": "code", "id": f"c{number}", "source": "", "outputs": [{"output_type": "display_data", "data": one}]}
            for number, one in enumerate(data)]  # fmt: skip


@pytest.mark.parametrize("grade", ["fits", "nothing"])
def test_other_answers_are_drawn_too(visit, tmp_path, grade):
    suspect = sample_suspect("fits", ratio=None, ratio_low=None, ratio_high=None)
    found = sample_investigation(replace(sample_incident(), suspects=(suspect,), answer="a change fits", undo=""))
    found = found if grade == "fits" else nothing_shown()
    shown = [draw(found) for draw in (figures.incident_banner, figures.onset, figures.places, figures.evidence)]
    path = tmp_path / "page.html"
    path.write_text(render({"cells": outputs(*shown)}, "incident"))
    page = visit(path)
    assert all(figure["surfaces"] >= 1 for figure in page.ask(DRAWN))
    page.assert_quiet(path)
