"""The notebooks in plain JupyterLab in a real browser: open, run from the menu, approve with a click."""

import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from pratique.demo.incident import write_demo
from pratique.notebook.quick_import import without_iri_parsers
from support.incident_demo import demo_file
from support.made_repository import git, repository
from support.ports import free_port
from support.shop_fixture import ROOT, running_shop
from support.waiting import eventually

LOG_FORMAT = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time $revision'


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on a temporary folder: its URL and the folder."""
    folder, port = tmp_path_factory.mktemp("lab"), free_port()
    words = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", f"--ServerApp.root_dir={folder}"]
    words += ["--IdentityProvider.token=", "--allow-root", "--ServerApp.port_retries=0"]
    own = {f"JUPYTER_{name}_DIR": str(folder / f".{name}") for name in ("CONFIG", "DATA", "RUNTIME")}
    with (folder / "lab.log").open("w") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env=os.environ | own)
    address = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: answers(f"{address}/api/status"))
        yield address, folder
    finally:
        process.terminate()
        process.wait()


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


class Opened:
    """A notebook in JupyterLab with given parameters, all cells run from the menu."""

    def __init__(self, lab, chromium, notebook, **parameters):
        address, folder = lab
        self.file = folder / notebook.rpartition("/")[2]
        with without_iri_parsers():
            from papermill import execute_notebook  # noqa: PLC0415 - slow to load, and not used by most tests
        execute_notebook(ROOT / notebook, self.file, parameters, prepare_only=True, kernel_name="python3")
        self.page = chromium.new_page(viewport={"width": 1400, "height": 1000})
        self.errors = []
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(f"{address}/lab/tree/{self.file.name}?reset")
        self.page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=60_000)
        self.page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_text("Run All Cells", exact=True).click()

    def finish(self, seconds):
        """Wait until the last cell has run or one has failed, save, and check the file."""
        ran = self.page.locator(".jp-CodeCell").last.locator(".jp-InputPrompt", has_text=re.compile(r"\[\d+\]"))
        failed = self.page.locator("[data-mime-type='application/vnd.jupyter.error']")
        ran.or_(failed).first.wait_for(timeout=seconds * 1000)
        self.page.keyboard.press("Control+s")
        eventually(lambda: self.outputs() or self.page.wait_for_timeout(100))
        assert [output["evalue"] for output in self.outputs() if output["output_type"] == "error"] == []

    def outputs(self):
        with contextlib.suppress(ValueError):  # JupyterLab writes in place
            cells = json.loads(self.file.read_text())["cells"]
            return [output for cell in cells for output in cell.get("outputs", ())]
        return []


@pytest.fixture
def opened(lab, chromium):
    pages = []

    def open_and_run(notebook, **parameters):
        pages.append(Opened(lab, chromium, notebook, **parameters))
        return pages[-1]

    yield open_and_run
    for found in pages:
        found.page.close()


def test_a_report_is_shown_in_jupyterlab(opened, tmp_path):
    subprocess.run([sys.executable, ROOT / "examples/shop/sample.py", "--log", tmp_path / "shop.log"], check=True)
    words = ["import", str(tmp_path / "shop.log"), "--service", "shop", "--format", "combined"]
    words += ["--revision-from", "revision", "--log-format", LOG_FORMAT, "--store", str(tmp_path / "store")]
    subprocess.run([sys.executable, "-m", "pratique.cli", *words], check=True, capture_output=True)
    found = opened("notebooks/canary_report.ipynb", store=str(tmp_path / "store"), out=str(tmp_path / "reports"))
    found.finish(120)
    found.page.locator(".jp-Notebook").hover()
    found.page.mouse.wheel(0, -100_000)
    found.page.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=20_000)
    assert list((tmp_path / "reports").glob("*.html"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with running_shop(tmp_path_factory.mktemp("shop")) as found:
        yield found


def test_a_release_is_approved_by_a_click(opened, shop):
    shop.make("r2")
    run = {"service": "shop", "revision": "r2", "run_id": "lab-1", "config": shop.config, "approval": "ask"}
    found = opened("runbooks/release.ipynb", **run)
    button = found.page.get_by_role("button", name="Approve", exact=False)
    for _ in shop.settings.service("shop").rollout.stages:
        button.wait_for(timeout=60_000)
        button.click()
        button.wait_for(state="detached", timeout=20_000)
    found.finish(120)
    assert shop.serving() == {"r2": 1.0}
    assert shop.result("lab-1")["outcome"] == "promoted"


def test_a_release_is_rolled_back_by_a_click(opened, shop):
    before = shop.baseline()
    shop.make("r3")
    run = {"service": "shop", "revision": "r3", "run_id": "lab-2", "config": shop.config, "approval": "ask"}
    found = opened("runbooks/release.ipynb", **run)
    found.page.get_by_role("button", name="Roll back", exact=False).click(timeout=60_000)
    found.finish(120)
    assert shop.serving() == {before: 1.0}
    assert shop.result("lab-2")["outcome"] == "rolled back"


def test_a_clicked_suspect_and_place_change_the_panels_of_an_incident(opened):
    notebook = opened("notebooks/incident.ipynb", service="shop", config=str(demo_file()), out=str(demo_file().parent))
    notebook.finish(seconds=120)
    explorer = notebook.page.locator(".pratique-explorer")
    explorer.scroll_into_view_if_needed(timeout=30_000)
    # a suspect: its tab opens, and shows its evidence
    suspects = explorer.locator("select[size]")
    suspects.select_option(index=0, timeout=90_000)
    suspects.select_option(index=1)
    tab = explorer.get_by_role("tab", name=re.compile("Change: weight r8"), selected=True)
    tab.wait_for(timeout=20_000)
    explorer.get_by_text("nothing ran beside it").wait_for(timeout=20_000)
    # a place: its tab opens, and the comparison is set to its action
    chosen = explorer.get_by_role("tab", name="Place: POST /checkout", selected=True)
    eventually(lambda: chosen.count() or click_bar(explorer, 1))
    screenshot(explorer, "explorer")
    assert notebook.errors == []


SIZES = {"x": "width", "y": "height"}


def click_bar(explorer, number):
    """Click a bar where it is now, if it is drawn: a figure moves until it has its final size, and a click misses it."""
    bars = explorer.page.locator(".barlayer .point path")
    plot = explorer.locator(".js-plotly-plot", has=bars).first
    ground = plot.locator(".nsewdrag").first
    surface, bar = ground.bounding_box(timeout=90_000), plot.locator(bars).nth(number).bounding_box()
    if surface and bar:
        ground.click(position={axis: bar[axis] + bar[size] / 2 - surface[axis] for axis, size in SIZES.items()})
        explorer.page.wait_for_timeout(500)


def screenshot(part, name):
    """Keep what a part of the page looks like, where a person asks for it."""
    if folder := os.environ.get("PRATIQUE_SCREENSHOTS"):
        part.screenshot(path=f"{folder}/{name}.png")


def test_an_incident_is_recorded_by_a_click(opened, tmp_path):
    config = write_demo(tmp_path / "demo")
    notebook = opened("notebooks/incident.ipynb", service="shop", config=str(config), out=str(tmp_path))
    notebook.finish(seconds=120)
    recorder = notebook.page.locator(".pratique-recorder")
    recorder.scroll_into_view_if_needed(timeout=60_000)
    press(recorder, "Open")
    recorder.get_by_text("Record in the ledger: a new incident of shop").wait_for(timeout=20_000)
    assert listed(config) == []
    screenshot(recorder, "record-asked")
    press(recorder, "Record")
    recorder.get_by_text("Recorded: I").wait_for(timeout=20_000)
    screenshot(recorder, "recorded")
    (opening,) = listed(config)
    assert (opening["service"], opening["began"][:16], opening["cause"], opening["state"]) == (
        "shop", "2026-11-20T14:01", "r42", "open",
    )  # fmt: skip
    assert "POST /checkout" in opening["title"]
    press(recorder, "Restored")
    press(recorder, "Record")
    eventually(lambda: [one["state"] for one in listed(config)] == ["restored"])
    assert notebook.errors == []


def press(part, name):
    part.get_by_role("button", name=name, exact=True).click(timeout=30_000)


def listed(config):
    words = [sys.executable, "-m", "pratique.cli", "incident", "list", "shop", "--json", "--config", str(config)]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def test_a_question_of_the_review_is_answered_in_a_form(opened, tmp_path):
    repository(tmp_path / "code", {"Makefile": "all:\n", "pratique.toml": ""})
    git(tmp_path / "code", "config", "user.name", "Ann")
    notebook = opened(
        "notebooks/maturity_review.ipynb", repository=str(tmp_path / "code"), out=str(tmp_path / "reports")
    )
    notebook.finish(seconds=120)
    form = notebook.page.locator(".pratique-answers")
    form.scroll_into_view_if_needed(timeout=30_000)
    # the first row: the question, and its controls
    form.get_by_text("culture.prioritised").wait_for(timeout=30_000)
    form.locator("select").first.select_option("yes")
    form.get_by_placeholder("why", exact=True).first.fill("one board")
    form.get_by_role("button", name="Answer").first.click()
    form.get_by_text("wrote answers.toml: commit it").wait_for(timeout=20_000)
    written = (tmp_path / "code/maturity/answers.toml").read_text()
    assert 'item = "culture.prioritised"\nanswer = "yes"\nwho = "Ann"' in written
    assert 'why = "one board"' in written
    assert list((tmp_path / "reports").glob("maturity-*.html"))
