"""A real Chromium that records what a page does."""

import time

import pytest
from playwright.sync_api import sync_playwright

from support.markers import CHROMIUM

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


class Visit:
    """An open page with its console messages, requests and dialogs."""

    def __init__(self, context):
        self.page = context.new_page()
        self.said, self.requests, self.dialogs = [], [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("dialog", self._dialog)

    def _dialog(self, dialog):
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def open(self, path):
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn]", timeout=60_000)
        return self

    def ask(self, expression):
        return self.page.evaluate(expression)

    def until(self, expression, seconds=60):
        """Wait until the expression is true; the page's policy blocks wait_for_function, which evaluates text."""
        deadline = time.monotonic() + seconds
        while not self.ask(expression):
            assert time.monotonic() < deadline, f"{expression} never became true"
            self.page.wait_for_timeout(20)

    def hover_over_figures(self):
        """Let every figure show what its middle says."""
        for place in self.page.query_selector_all(".nsewdrag"):
            box = place.bounding_box()
            self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            self.page.wait_for_timeout(60)

    def assert_quiet(self, path):
        assert self.said == []
        assert self.dialogs == []
        assert [url for url in self.requests if url != path.as_uri() and not url.startswith("data:")] == []


# not for the session: Playwright's event loop runs in this thread as long as the browser does, and asyncio.run() of later
# files would fail
@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None:
        pytest.skip("chromium not found: apt-get install chromium, or set PRATIQUE_CHROMIUM to its path")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Open a page in its own browser context; options are those of `new_context`."""
    contexts = []

    def opened(path, **options):
        contexts.append(chromium.new_context(**options))
        return Visit(contexts[-1]).open(path)

    yield opened
    for context in contexts:
        context.close()
