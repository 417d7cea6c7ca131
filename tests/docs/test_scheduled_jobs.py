"""The page on jobs works as it stands there: a nightly job, held back during a release, then run by the new revision."""

import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from tools.reference.files import FILES

from support.pages import Shell, follow


@pytest.mark.server
@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_page_works_as_it_stands_there(tmp_path):
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    with Shell(tmp_path, env={"PATH": path, "HOME": str(tmp_path), "USER": "ann"}, isolated=True) as shell:
        try:
            follow("how-to/scheduled-jobs.md", tmp_path, shell)
        finally:
            shell.run("pratique down hello")
    state = tmp_path / ".pratique"
    left = [path.relative_to(state).as_posix() for path in state.rglob("*") if path.is_file()]
    assert [path for path in left if not any(fnmatch(path, known.path) for known in FILES)] == []
