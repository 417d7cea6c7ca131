"""The page on incidents works as it stands there: a newcomer finds the guilty release in the prepared store."""

import sys
import time
from pathlib import Path

import pytest

from support.pages import Shell, follow


@pytest.mark.slow
@pytest.mark.kernel
def test_a_newcomer_finds_the_guilty_release_by_following_the_page(tmp_path):
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    began = time.monotonic()
    with Shell(tmp_path, env={"PATH": path, "HOME": str(tmp_path)}) as shell:
        follow("how-to/incident.md", tmp_path, shell)
    assert time.monotonic() - began < 120
    assert len(list(tmp_path.glob("incident-demo/page/*"))) == 3
