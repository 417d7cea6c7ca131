"""Where `--out` puts a page, the same for every command and notebook: in a folder, or in a file that ends in .html."""

from __future__ import annotations

from pathlib import Path

from pratique.errors import UsageError

PAGE = ".html"
FILES = {PAGE, ".htm", ".xhtml", ".json", ".ipynb", ".md", ".txt", ".pdf", ".csv", ".xml", ".svg", ".png", ".zip"}
"""Ends of names that are meant as a file, in lower case: a folder of such a name is a mistake."""


def is_page(out: str | Path) -> bool:
    """Whether a path names the page itself, and not its folder."""
    return Path(out).suffix.casefold() == PAGE


def check_place(out: str | Path, *, page: bool = True) -> None:
    """Refuse a path that can be neither a folder nor, with `page`, a page. Raises: UsageError that says what is taken."""
    path = Path(out)
    takes = "a folder, or a file that ends in .html" if page else "a folder"
    if path.is_dir():
        if page and is_page(path):
            raise UsageError(f"out {str(out)!r} is a folder with the name of a page: remove it, or give {takes}")
        return
    if path.suffix.casefold() in FILES and not (page and is_page(path)):
        raise UsageError(f"out {str(out)!r} is the name of a file: give {takes}")
    if path.exists() and not is_page(path):
        raise UsageError(f"out {str(out)!r} is a file: give {takes}")
