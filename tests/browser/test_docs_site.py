"""The documentation in a browser, opened from a folder: readable on every screen, and nothing from the network."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.pages import ROOT

SITE = ROOT / "build/site"
PAGES = ["index.html", "tutorial.html", "reference/configuration.html", "explanation/architecture.html"]
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
SCROLLS = "document.documentElement.scrollWidth > window.innerWidth"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site():
    command = [Path(sys.executable).with_name("zensical"), "build", "--strict"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return SITE


@pytest.fixture
def opened(chromium, site):
    """Open a page; what it asked for and complained of is in the lists."""
    contexts = []

    def opened(name, **options):
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        requests, complaints = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((site / name).as_uri())
        page.wait_for_load_state("networkidle")
        return page, requests, complaints

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_a_page_loads_only_files_of_the_site_and_fits_the_screen(opened, name, viewport):
    page, requests, complaints = opened(name, viewport=viewport)
    assert complaints == []
    assert [url for url in requests if not url.startswith((SITE.as_uri(), "data:"))] == []
    assert page.evaluate(SCROLLS) is False


def test_the_colours_follow_the_device(opened):
    light, _, _ = opened("index.html", color_scheme="light")
    dark, _, _ = opened("index.html", color_scheme="dark")
    assert light.evaluate(BACKGROUND) != dark.evaluate(BACKGROUND)
