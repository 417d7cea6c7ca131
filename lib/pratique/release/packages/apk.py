"""Packages of Alpine Linux: the database `installed`.

Source: Alpine wiki, "Apk spec": P name, V version, A architecture, F a folder, R a file in it.
"""

from __future__ import annotations

from pratique.release.packages.model import Facts, Package, paths_of, text_of

DATABASES = {"/lib/apk/db/installed", "/usr/lib/apk/db/installed"}


def is_read(path: str) -> bool:
    """Return whether `read` knows the file."""
    return path in DATABASES


def read(_: str, content: bytes) -> Facts:
    """Return the packages with their files."""
    packages, owned = [], []
    for paragraph in text_of(content).split("\n\n"):
        fields: dict[str, str] = {}
        files, folder = [], ""
        for line in paragraph.splitlines():
            key, _, value = line.partition(":")
            if key == "F":
                folder = value
            elif key == "R":
                files.append(f"/{folder}/{value}" if folder else f"/{value}")
            else:
                fields.setdefault(key, value)
        if fields.get("P") and fields.get("V"):
            packages.append(Package("apk", fields["P"], fields["V"], fields.get("A", ""), "alpine"))
            owned.append((fields["P"], paths_of(files)))
    return Facts(packages=tuple(packages), owned=tuple(owned))
