"""Where the notebooks are, and what one of them holds, read without Jupyter's packages (they load slowly)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pratique.errors import DataError, MissingError, UsageError

PACKAGE = Path(__file__).parents[1]
FOLDERS = ("notebooks", "runbooks")


def folders() -> list[Path]:
    """The folders that notebooks are found in: inside an installed package, else beside lib/ in a clone."""
    places = [root / folder for root in (PACKAGE, PACKAGE.parents[1]) for folder in FOLDERS]
    return [place for place in places if place.is_dir()]


def known_notebooks() -> dict[str, Path]:
    """Return every runbook and notebook by its name."""
    return {path.stem: path for folder in folders() for path in sorted(folder.glob("*.ipynb"))}


def find_notebook(name: str | Path) -> Path:
    """The absolute path of a notebook: by name ("release"), or by a path that ends in .ipynb.

    Raises: MissingError (no file at the path), UsageError (no notebook of that name; lists those there are).
    """
    if str(name).endswith(".ipynb") or "/" in str(name):
        path = Path(name)
        if not path.is_file():
            raise MissingError(f"notebook {str(path)!r} does not exist: give a path that does, or a name")
        return path.absolute()
    known = known_notebooks()
    if name not in known:
        raise UsageError(f"no notebook is named {str(name)[:80]!r}: there are {', '.join(known) or 'none'}")
    return known[str(name)].absolute()


def read_notebook(path: Path) -> dict[str, Any]:
    """A notebook's JSON, with every source as one string.

    Raises: MissingError, DataError when it is not a notebook of format 4.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingError(f"notebook {str(path)!r} does not exist") from None
    except (OSError, ValueError) as error:
        raise DataError(f"notebook {str(path)!r} cannot be read: {error!s:.200}") from error
    if not isinstance(found, dict) or found.get("nbformat") != 4 or not isinstance(found.get("cells"), list):
        raise DataError(f"notebook {str(path)!r} is not a Jupyter notebook of format 4: save it with JupyterLab")
    for cell in found["cells"]:
        cell["source"] = text_of(cell.get("source", ""))
    return found


def text_of(value: str | list[str]) -> str:
    """Text as a notebook keeps it: one string, or a list of lines."""
    return value if isinstance(value, str) else "".join(value)


def tagged(notebook: dict[str, Any], tag: str) -> dict[str, Any] | None:
    """The first cell that carries a tag."""
    return next((cell for cell in notebook["cells"] if tag in cell.get("metadata", {}).get("tags", ())), None)
