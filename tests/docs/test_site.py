"""The built site is complete, and loads nothing from the network."""

import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from support.pages import DOCS, ROOT, pages

CONFIG = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
SITE = ROOT / CONFIG["site_dir"]
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Loads(HTMLParser):
    """Collect the addresses that a page loads by itself."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        address = values.get(LOADED.get(tag, ""))
        if address and values.get("rel") not in {"canonical", "next", "prev", "edit"}:
            self.found.append(address)


@pytest.fixture(scope="module")
def site():
    done = subprocess.run(
        [Path(sys.executable).with_name("zensical"), "build", "--strict"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return SITE


def entries(nav):
    for entry in nav:
        for target in entry.values() if isinstance(entry, dict) else [entry]:
            yield from entries(target) if isinstance(target, list) else [target]


def test_the_navigation_lists_every_page_once():
    assert sorted(entries(CONFIG["nav"])) == pages()


@pytest.mark.slow
def test_everything_that_a_page_loads_is_part_of_the_site(site):
    built = sorted(site.rglob("*.html"))
    assert len(built) == len(pages()) + 1
    missing = []
    for page in built:
        loads = Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        for address in loads.found:
            parts = urlsplit(address)
            target = site if address.startswith("/") else page.parent
            if parts.scheme not in {"", "data"} or parts.netloc:
                missing.append(f"{page.name} loads {address}")
            elif not parts.scheme and not (target / unquote(parts.path.lstrip("/"))).exists():
                missing.append(f"{page.name} loads {address}, which is not there")
    assert missing == []


def test_no_stylesheet_loads_anything_from_the_network(site):
    text = "\n".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", text) == []


def test_every_asset_is_used():
    text = "\n".join((DOCS / page).read_text(encoding="utf-8") for page in pages())
    used = (
        text + (ROOT / "zensical.toml").read_text(encoding="utf-8") + (ROOT / "README.md").read_text(encoding="utf-8")
    )
    assert [path.name for path in sorted((DOCS / "assets").iterdir()) if path.name not in used] == []


def test_the_readme_links_to_files_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
