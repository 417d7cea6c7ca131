"""Packages of Node.js in `node_modules`, and the interpreter by its header file.

Source: npm's documentation of package.json and of folders.
"""

from __future__ import annotations

import json
import re

from pratique.release.packages.model import Facts, Package, text_of

PACKAGE = re.compile(r"/node_modules/(@[^/]+/)?[^/@][^/]*/package\.json$")
INTERPRETER = "/include/node/node_version.h"
_NUMBER = re.compile(r"^#define\s+NODE_(MAJOR|MINOR|PATCH)_VERSION\s+(\d{1,9})\s*$", re.MULTILINE)


def is_read(path: str) -> bool:
    """Return whether `read` knows the file."""
    return path.endswith(INTERPRETER) or (path.endswith("/package.json") and PACKAGE.search(path) is not None)


def read(path: str, content: bytes) -> Facts:
    """Return the package or the interpreter. Raises: ValueError when it is not JSON."""
    if path.endswith(INTERPRETER):
        numbers = dict(_NUMBER.findall(text_of(content)))
        version = ".".join(numbers.get(part, "") for part in ("MAJOR", "MINOR", "PATCH"))
        return Facts(packages=(Package("runtime", "Node", version),) if numbers else ())
    found = json.loads(content)
    name, version = (found.get("name"), found.get("version", "")) if isinstance(found, dict) else (None, "")
    if not isinstance(name, str) or not isinstance(version, str):
        # a file of a package's tests, or a marker such as {"type": "module"}
        return Facts()
    scope, _, short = name.rpartition("/")
    return Facts(packages=(Package("npm", short, version, group=scope),) if short and version else ())
