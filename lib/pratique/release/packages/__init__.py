"""Which files of an image tell about packages, and what each of them tells."""

from __future__ import annotations

from typing import Any

from pratique.release.bounds import NotRead
from pratique.release.forward import DAMAGE
from pratique.release.packages import apk, dpkg, java, node, python, rpm, system
from pratique.release.packages.model import Facts, Package

__all__ = ["DATABASES", "Facts", "Package", "kind_of", "read_facts"]

READERS: dict[str, Any] = {
    "deb": dpkg,
    "apk": apk,
    "rpm": rpm,
    "pypi": python,
    "maven": java,
    "npm": node,
    "system": system,
}
DATABASES = (
    ("deb", dpkg.STATUS),
    *(("apk", path) for path in sorted(apk.DATABASES)),
    *(("rpm", f"{folder}{rpm.SQLITE}") for folder in rpm.FOLDERS),
)
"""Kind → the path of a database that has all packages of a system."""
ENDS = (
    "status", ".list", "installed", ".sqlite", "-wal", "Packages", ".db", "METADATA", "INFO", "RECORD", ".egg-info",
    ".h", ".jar", ".war", ".ear", ".par", "release", "package.json",
)  # fmt: skip
"""How the names of all such files end; most files are none, and this is a quick way to see that."""


def kind_of(path: str) -> str:
    """Return the kind of packages that a file tells about; "" for other files. path: absolute."""
    if path.endswith(ENDS) or path.startswith(dpkg.STATUS_FOLDER):
        for kind, reader in READERS.items():
            if reader.is_read(path):
                return kind
    return ""


def read_facts(kind: str, path: str, content: bytes, *, jar_depth: int = 2) -> Facts:
    """Return what a file tells; a file that cannot be parsed tells nothing, and why."""
    try:
        if kind == "maven":
            return java.read(path, content, depth=jar_depth)
        found: Facts = READERS[kind].read(path, content)
    except (NotRead, *DAMAGE) as error:
        return Facts(unread=((kind, f"{error or type(error).__name__}"),))
    return found
