"""The pages of a history, a difference and a review in a real browser, where every name is hostile: drawn, silent, offline, and nothing executes."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from pratique import figures
from pratique.delivery.history import history_of, series
from pratique.figures.theme import Chart
from pratique.ledger import open_ledger
from pratique.maturity.answers import Answer, AnswerFile
from pratique.maturity.load import load_model
from pratique.maturity.review import make_review
from pratique.maturity.sources import Sources
from pratique.release.open_difference import Asked, compare_paths
from pratique.report.page import render
from support.ledger_story import LedgerStory
from support.report_samples import HOSTILE

pytestmark = [pytest.mark.browser]

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=20)
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
FIGURES = {"history": 4, "difference": 0, "review": 0}
"""Charts with data; the rest are tables and panels."""
COUNTS = {"5xx": {"bad": {"r1": 9, HOSTILE[3]: 31}, "requests": {"r1": 9000, HOSTILE[3]: 1000}}}


def history(folder):
    story = LedgerStory(open_ledger(folder), START)
    story.first("r1")
    story.release(HOSTILE[0], 24)
    story.release(HOSTILE[3], 72, verdict="rollback", requests={"r1": 9000, HOSTILE[3]: 1000}, guards=COUNTS)
    story.release(HOSTILE[4], 96, verdict="rollback", by="person")
    story.release(HOSTILE[5], 200)
    story.incident(HOSTILE[2], 201, cause=HOSTILE[5])
    story.rollback("r1", 203, incident=HOSTILE[2])
    story.incident(HOSTILE[1], 300)
    found = history_of("shop", story.ledger.entries("shop"), None, start=START, end=END, now=END)
    many = [found]
    return [
        figures.delivery_metrics(many), figures.release_timeline(many), figures.delivery_series(series(found, "week", 3)),
        figures.canary_outcomes(many), figures.exposure(many), figures.delivery_questions(many),
    ]  # fmt: skip


def difference(folder):
    for name, version in (("before", "2.0"), ("after", "1.0")):
        package = folder / name / "node_modules/example"
        package.mkdir(parents=True)
        (package / "package.json").write_text(json.dumps({"name": HOSTILE[0], "version": version}))
        (folder / name / "<img src=x onerror=window.__pwned=1>").write_text(name)
    found = compare_paths(f"{folder}/before", f"{folder}/after", Asked())
    return [
        figures.difference_banner(found), figures.package_changes(found), figures.configuration_changes(found),
        figures.layer_sizes(found), figures.file_changes(found),
    ]  # fmt: skip


def review(folder):
    model = load_model()
    said = {
        item.id: Answer(
            item=item.id, answer="yes", who=HOSTILE[1][:90], date=END.date(), why=HOSTILE[0], link=HOSTILE[4]
        )
        for item in model.items[::2]
    }
    found = make_review(Sources(model, END, folder=folder), AnswerFile(said))
    # the page of a review has tables only, and `visit` waits until a chart is drawn
    return [
        figures.maturity_map(found), figures.next_steps(found), figures.review_changes(found), figures.item_table(found),
        figures.canary_outcomes([]),
    ]  # fmt: skip


@pytest.fixture(scope="module", params=[history, difference, review], ids=lambda made: made.__name__)
def page_file(request, chromium, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param.__name__)
    data = [
        one._repr_mimebundle_() if isinstance(one, Chart) else {"text/html": one.html} for one in request.param(folder)
    ]
    cells = [
        {"cell_type": "code", "id": f"c{at}", "source": "", "outputs": [{"output_type": "display_data", "data": one}]}
        for at, one in enumerate(data)
    ]
    path = folder / f"{request.param.__name__}.html"
    path.write_text(render({"cells": cells}, HOSTILE[0]))
    return path


def test_it_is_drawn_in_silence_and_no_name_executes(visit, page_file):
    page = visit(page_file)
    assert page.ask("document.querySelectorAll('.trace, .bars .point').length") >= FIGURES[page_file.stem]
    for selector in ("main img", "main a[href^='javascript']", "[onerror]", "svg a", "iframe", "main i"):
        assert page.ask(f"document.querySelectorAll({selector!r}).length") == 0, selector
    page.hover_over_figures()
    assert page.ask("window.__pwned") is None
    assert "<" in page.ask("document.querySelector('main').innerText")
    page.assert_quiet(page_file)


def test_a_phone_does_not_scroll_sideways_and_print_is_light(visit, page_file):
    page = visit(page_file, color_scheme="dark", **PHONE)
    assert page.ask("document.documentElement.scrollWidth") <= 390
    assert page.ask("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 28)"
    page.page.emulate_media(media="print", color_scheme="dark")
    page.until("getComputedStyle(document.body).backgroundColor !== 'rgb(20, 24, 28)'")
    assert page.page.pdf(format="A4").startswith(b"%PDF")
    page.assert_quiet(page_file)
