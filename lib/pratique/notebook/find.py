"""Find a notebook and read its JSON, without Jupyter's packages, which are slow to import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pratique.errors import DataError, MissingError, UsageError

PACKAGE = Path(__file__).parents[1]
FOLDERS = ("notebooks", "runbooks")


def folders() -> list[Path]:
    """Return the folders that hold notebooks: inside an installed package, or beside lib/ in a clone."""
    candidates = [root / folder for root in (PACKAGE, PACKAGE.parents[1]) for folder in FOLDERS]
    return [folder for folder in candidates if folder.is_dir()]


def known_notebooks() -> dict[str, Path]:
    """Return every notebook and runbook by its name."""
    return {path.stem: path for folder in folders() for path in sorted(folder.glob("*.ipynb"))}


def find_notebook(name: str | Path) -> Path:
    """Return the absolute path of a notebook, given its name ("release") or a path that ends in .ipynb.

    Raises: MissingError when there is no file at the path; UsageError for an unknown name, listing the known ones.
    """
    if str(name).endswith(".ipynb") or "/" in str(name):
        path = Path(name)
        if not path.is_file():
            raise MissingError(
                f"notebook {str(path)!r} does not exist: check the path, or use a name such as 'release'"
            )
        return path.absolute()
    known = known_notebooks()
    if name not in known:
        raise UsageError.unknown("notebook", str(name), known)
    return known[str(name)].absolute()


def read_notebook(path: Path) -> dict[str, Any]:
    """Return the JSON of a notebook, with every cell source as one string.

    Raises: MissingError; DataError when the file is not a notebook of format 4.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingError(f"notebook {str(path)!r} does not exist") from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read notebook {str(path)!r}: {error!s:.200}") from error
    if not isinstance(notebook, dict) or notebook.get("nbformat") != 4 or not isinstance(notebook.get("cells"), list):
        raise DataError(f"notebook {str(path)!r} is not a Jupyter notebook of format 4: save it with JupyterLab")
    for cell in notebook["cells"]:
        cell["source"] = text_of(cell.get("source", ""))
    return notebook


def text_of(value: str | list[str]) -> str:
    """Join text as a notebook stores it: one string, or a list of lines."""
    return value if isinstance(value, str) else "".join(value)


def tagged(notebook: dict[str, Any], tag: str) -> dict[str, Any] | None:
    """Return the first cell with a tag, or None."""
    return next((cell for cell in notebook["cells"] if tag in cell.get("metadata", {}).get("tags", ())), None)
