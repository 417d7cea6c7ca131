"""A folder of one's own copies of the notebooks, to edit and run in JupyterLab."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from pratique.errors import DeniedError
from pratique.notebook.find import known_notebooks

COPIES = ".copies.json"
"""Digests of the files as they were copied: a copy that still has its digest was not edited, and is replaced."""


def copy_notebooks(folder: Path) -> list[Path]:
    """Copy every notebook and runbook into a folder, and return the copies. Copies that a person edited are kept.

    Raises: DeniedError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        copied = _read(folder / COPIES)
        for name, source in known_notebooks().items():
            copy = folder / f"{name}.ipynb"
            if not copy.exists() or _digest(copy) == copied.get(name):
                shutil.copyfile(source, copy)
                copied[name] = _digest(copy)
        (folder / COPIES).write_text(json.dumps(copied, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DeniedError(f"cannot write into {str(folder)!r}: {error.strerror}: choose another folder") from error
    return [folder / f"{name}.ipynb" for name in known_notebooks()]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}
