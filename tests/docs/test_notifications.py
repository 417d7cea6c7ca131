"""Every command of the page on notifications does what the page shows."""

import sys
from pathlib import Path

import pytest

from support.pages import Shell, follow


@pytest.mark.slow
def test_the_page_works_as_it_stands_there(tmp_path):
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    with Shell(tmp_path, env={"PATH": path}, isolated=True) as shell:
        follow("how-to/notifications.md", tmp_path, shell)
