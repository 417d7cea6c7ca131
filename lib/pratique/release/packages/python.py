"""Python packages by their metadata, and the interpreter by its header file.

Source: Core metadata specifications 2.4; "Recording installed projects" (RECORD, paths relative to the parent folder).
"""

from __future__ import annotations

import csv
import posixpath
import re
from collections.abc import Iterator

from pratique.release.packages.model import Facts, Package, fields_of, paths_of, text_of

METADATA = (".dist-info/METADATA", ".egg-info/PKG-INFO")
RECORD = ".dist-info/RECORD"
INTERPRETER = re.compile(r"/include/python3[^/]*/patchlevel\.h$")
_VERSION = re.compile(r'^#define\s+PY_VERSION\s+"([^"\n]{1,40})"', re.MULTILINE)
_SEPARATORS = re.compile(r"[-_.]+")


def is_read(path: str) -> bool:
    """Return whether `read` knows the file. Packages inside of packages (`_vendor`) are not installed ones."""
    if path.endswith((*METADATA, RECORD)) or (path.endswith(".egg-info") and "-packages/" in path):
        return "/_vendor/" not in path
    return INTERPRETER.search(path) is not None


def read(path: str, content: bytes) -> Facts:
    """Return the package, its files, or the interpreter."""
    if path.endswith("/patchlevel.h"):
        found = _VERSION.search(text_of(content))
        return Facts(packages=(Package("runtime", "Python", found[1]),) if found else ())
    if path.endswith(RECORD):
        folder, name = posixpath.split(posixpath.dirname(path))
        rows = _rows(text_of(content))
        files = (posixpath.normpath(posixpath.join(folder, row[0])) for row in rows if row)
        return Facts(owned=((normalized(name.partition("-")[0]), paths_of(files)),))
    fields = fields_of(text_of(content))
    if not fields.get("name"):
        return Facts(unread=(("pypi", "metadata without a name"),))
    return Facts(packages=(Package("pypi", normalized(fields["name"]), fields.get("version", "")),))


def _rows(text: str) -> Iterator[list[str]]:
    """Yield the rows of a RECORD. Raises: ValueError when it is no CSV."""
    try:
        yield from csv.reader(text.splitlines())
    except csv.Error as error:
        raise ValueError(str(error)) from error


def normalized(name: str) -> str:
    """Return the name of a project as all tools compare it (PEP 503)."""
    return _SEPARATORS.sub("-", name).lower()
