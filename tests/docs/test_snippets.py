"""What the pages show is accepted by the code: service files, paths of files, and file names."""

import re
from pathlib import Path

import pytest

from docs.pages import DOCS, ROOT, blocks, pages
from pratique.config import parse

# the examples of the reference are single keys, which the tests of config/reference.toml read
GUIDES = [page for page in pages() if not page.startswith("reference/")]
TOML = [(page, block) for page in GUIDES for block in blocks(page) if block.language == "toml"]
CODE = re.compile(r"`((?:lib|tests|tools|examples|runbooks|notebooks|docs)/[\w./-]+)`")


@pytest.mark.parametrize(("page", "block"), TOML, ids=[f"{page}:{block.line}" for page, block in TOML])
def test_a_service_file_in_a_page_is_accepted(page, block):
    config = parse(block.text, Path(f"docs/{page}"))
    assert config.services or config.telemetry


def test_a_file_that_a_page_names_exists():
    named = {(page, path) for page in pages() for path in CODE.findall((DOCS / page).read_text(encoding="utf-8"))}
    assert named
    assert [f"docs/{page}: {path}" for page, path in sorted(named) if not (ROOT / path).exists()] == []


def test_a_module_that_the_architecture_page_names_exists():
    text = (DOCS / "explanation/architecture.md").read_text(encoding="utf-8")
    tables = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    named = re.findall(r"`([a-z_]+/(?:[a-z_]+/)*(?:[a-z_]+\.py)?|[a-z_]+\.py)`", tables)
    assert "judge/verdict.py" in named
    elsewhere = {"lib/pratique/", "tests/contract/", "base.py"}
    assert [path for path in named if path not in elsewhere and not (ROOT / "lib/pratique" / path).exists()] == []
