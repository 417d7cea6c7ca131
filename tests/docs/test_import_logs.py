"""Every command of the pages on importing logs and tables does what the page shows."""

import sys
from pathlib import Path

import pytest

from support.pages import Shell, follow


@pytest.mark.slow
def test_every_format_of_the_page_is_imported_as_it_stands_there(tmp_path):
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    with Shell(tmp_path, env={"PATH": path}) as shell:
        follow("how-to/import-logs.md", tmp_path, shell)
        _, lines = shell.run("pratique revisions")
    # seven services with two revisions, six with one, two lines of a heading
    assert len(lines) == 2 * 7 + 6 + 2


@pytest.mark.slow
def test_the_page_on_tables_and_frames_works_as_it_stands_there(tmp_path):
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    with Shell(tmp_path, env={"PATH": path}) as shell:
        follow("how-to/import-tables.md", tmp_path, shell)
