"""The report in a real browser: drawn, silent and offline; on a phone, in dark mode and in print; no data executes."""

import pytest

from pratique.config import Config, StoreSettings
from pratique.report import write_report
from pratique.store import open_store
from support.report_samples import ACTIONS, HOSTILE, START, sample_rollups

pytestmark = [pytest.mark.browser, pytest.mark.kernel]

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DRAWN = """[...document.querySelectorAll('[data-figure]')].map(place => ({
    name: place.dataset.figure,
    surfaces: place.querySelectorAll('.main-svg').length,
    marks: place.querySelectorAll('.trace, .heatmaplayer image, .hm').length,
    width: place.querySelector('.main-svg').getBoundingClientRect().width,
}))"""
INK = "getComputedStyle(document.querySelector('.xtick text, .ytick text')).fill"


def made(folder, **options):
    config = Config(store=StoreSettings(url=str(folder / "store")), state=str(folder))
    open_store(config.store.url).write(sample_rollups(history=20, **options))
    names = options.get("names") or {}
    return write_report(config, "shop", names.get("r2", "r2"), names.get("r3", "r3"), start=START, out_dir=folder).html


@pytest.fixture(scope="module")
def report(chromium, tmp_path_factory):
    return made(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def hostile_report(chromium, tmp_path_factory):
    names = {action[0]: text for action, text in zip(ACTIONS, HOSTILE[1:], strict=False)}
    names |= {"r2": HOSTILE[0], "r3": HOSTILE[3], "web0": HOSTILE[1], "web1": HOSTILE[5]}
    return made(tmp_path_factory.mktemp("hostile"), names=names)


def test_every_figure_is_drawn_without_requests_or_console_messages(visit, report):
    page = visit(report)
    drawn = page.ask(DRAWN)
    assert [figure["name"] for figure in drawn] == [f"figure-{number}" for number in range(6)]
    assert all(figure["surfaces"] >= 2 and figure["marks"] >= 1 for figure in drawn), drawn
    page.assert_quiet(report)


def test_the_page_blocks_every_request(visit, report):
    page = visit(report)
    refused = page.ask("fetch('https://example.org/').then(() => 'fetched', () => 'refused')")
    assert refused == "refused"
    assert (
        page.ask(
            "new Promise(done => { const i = new Image(); i.onload = () => done('loaded'); i.onerror = () => done('refused'); i.src = 'https://example.org/x.png'; })"
        )
        == "refused"
    )


def test_an_injected_script_does_not_run(visit, report):
    page = visit(report)
    page.ask("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.__pwned=1\">')")
    page.ask(
        "document.body.appendChild(Object.assign(document.createElement('script'), {textContent: 'window.__pwned=2'})).tagName"
    )
    page.page.wait_for_timeout(200)
    assert page.ask("window.__pwned") is None


def test_no_text_of_a_hostile_service_executes(visit, hostile_report, report):
    page, calm = visit(hostile_report), visit(report)
    count = "document.querySelectorAll('script').length"
    assert page.ask(count) == calm.ask(count)
    for selector in ("main img", "main a[href^='javascript']", "[onerror]", "svg a", "iframe", "main i", "main b"):
        assert page.ask(f"document.querySelectorAll({selector!r}).length") == 0, selector
    page.hover_over_figures()
    assert page.ask("window.__pwned") is None
    assert all(figure["surfaces"] >= 2 for figure in page.ask(DRAWN))
    page.assert_quiet(hostile_report)


def test_hostile_text_is_shown_as_text(visit, hostile_report):
    page = visit(hostile_report)
    assert "<script>window.__pwned=1</script>" in page.ask("document.querySelector('.verdict').innerText")
    ticks = page.ask("[...document.querySelectorAll('.ytick text')].map(tick => tick.textContent)")
    assert any(tick.startswith('"><img src=x') for tick in ticks), ticks
    assert max(len(tick) for tick in ticks) <= 44


@pytest.mark.parametrize("which", ["report", "hostile_report"])
def test_a_phone_does_not_scroll_sideways(visit, which, request):
    path = request.getfixturevalue(which)
    page = visit(path, **PHONE)
    assert page.ask("document.documentElement.scrollWidth") <= 390
    assert all(300 <= figure["width"] <= 390 for figure in page.ask(DRAWN))
    assert page.ask("parseFloat(getComputedStyle(document.body).fontSize)") >= 15
    page.assert_quiet(path)


def test_dark_mode_has_its_own_colours_and_switches_while_the_page_is_open(visit, report):
    page = visit(report, color_scheme="dark")
    dark = page.ask(INK)
    assert page.ask("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 28)"
    page.page.emulate_media(color_scheme="light")
    page.until(f"{INK} !== {dark!r}")
    assert page.ask(INK) == "rgb(92, 103, 115)"
    assert dark == "rgb(154, 165, 177)"
    page.assert_quiet(report)


def test_print_is_light_and_nothing_is_cut_off(visit, report):
    page = visit(report, color_scheme="dark")
    page.page.emulate_media(media="print", color_scheme="dark")
    page.until(f"{INK} === 'rgb(92, 103, 115)'")
    assert page.ask("getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
    assert all(figure["width"] <= 700 for figure in page.ask(DRAWN))
    assert page.page.pdf(format="A4").startswith(b"%PDF")


def test_each_figure_has_a_sentence_for_screen_readers(visit, report):
    labels = visit(report).ask("[...document.querySelectorAll('[role=img]')].map(place => place.ariaLabel)")
    assert len(labels) == 6
    assert all(label.endswith(".") for label in labels)
