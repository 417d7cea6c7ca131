"""The tutorial works exactly as written: its files are written and its commands run in an empty folder, with real processes."""

import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from tools.reference.files import FILES

from support.pages import Shell, blocks, follow


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.server
@pytest.mark.kernel
@pytest.mark.timeout(600)
def test_a_newcomer_releases_a_service_by_following_the_tutorial(tmp_path):
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    home = tmp_path / "home"
    home.mkdir()
    folder = tmp_path / "hello"
    folder.mkdir()
    with Shell(folder, env={"PATH": path, "HOME": str(home)}, isolated=True) as shell:
        try:
            follow("tutorial.md", folder, shell)
        finally:
            shell.run("pratique down hello")
    left = [
        path.relative_to(folder / ".pratique").as_posix()
        for path in (folder / ".pratique").rglob("*")
        if path.is_file()
    ]
    assert "ledger.sqlite" in left
    assert [path for path in left if not any(fnmatch(path, known.path) for known in FILES)] == []


def test_the_services_program_is_as_short_as_the_tutorial_promises():
    service = next(block for block in blocks("tutorial.md") if block.title == "releases/v1/app.py")
    assert len([line for line in service.text.splitlines() if line.strip()]) <= 20
