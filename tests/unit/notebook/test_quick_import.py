"""A notebook runs without the parsers that jsonschema would make, and whoever needs them later gets them."""

import subprocess
import sys

import pytest

LOADED = """
import sys
from pratique.notebook.quick_import import without_iri_parsers
with without_iri_parsers():
    import papermill.execute
assert "jsonschema" in sys.modules
assert "lark" not in sys.modules
assert "rfc3987_syntax" not in sys.modules
"""


@pytest.mark.slow
def test_papermill_loads_without_the_parsers():
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
