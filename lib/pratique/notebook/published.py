"""The notebooks as they were published: the command line refuses to run, by its name, one that a person has edited.

`published.json` holds a digest of each notebook's cells, without outputs. `python -m tools.reference` writes it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pratique.errors import DataError
from pratique.notebook.find import known_notebooks, read_notebook

FILE = Path(__file__).with_name("published.json")


def cells_digest(path: Path) -> str:
    """Return the SHA-256 of the kinds and sources of a notebook's cells."""
    cells = [[cell.get("cell_type"), cell["source"]] for cell in read_notebook(path)["cells"]]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def published_text() -> str:
    """Return the text that `published.json` must have."""
    digests = {name: cells_digest(path) for name, path in known_notebooks().items()}
    return json.dumps(digests, indent=1, sort_keys=True) + "\n"


def require_published(name: str) -> None:
    """Check that the notebook of that name is as it was published.

    Raises: DataError naming the file, and how to run an edited copy.
    """
    path = known_notebooks().get(name)
    if path is None:
        return
    digests = json.loads(FILE.read_text(encoding="utf-8"))
    if digests.get(name) != cells_digest(path):
        raise DataError(
            f"{str(path)!r} was edited, so `{name}` no longer means the published notebook: undo the edit, "
            f"or run a copy by its path: pratique run COPY.ipynb"
        )
