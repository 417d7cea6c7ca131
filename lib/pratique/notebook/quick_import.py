"""Import papermill without the parsers that jsonschema would make for it, which take more than a second of CPU."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

PARSERS = "rfc3987_syntax"
"""It makes a parser for each rule of RFC 3987 when it is imported. jsonschema uses it where it is installed, to check values of
the format "iri". JupyterLab installs it, and no notebook has such values."""


@contextmanager
def without_iri_parsers() -> Iterator[None]:
    """Within it, jsonschema is imported as if the parsers were not installed."""
    if PARSERS in sys.modules:
        yield
        return
    # None makes an import fail as a missing module does
    sys.modules[PARSERS] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[PARSERS]
