"""Packages of Debian and its relatives: `status`, the folder `status.d` of images without dpkg, and the lists of files.

Source: deb-control(5), dpkg(1), "Information about packages": the third word of `Status` is the state.
"""

from __future__ import annotations

import posixpath

from pratique.release.packages.model import Facts, Package, fields_of, paths_of, text_of

STATUS = "/var/lib/dpkg/status"
STATUS_FOLDER = "/var/lib/dpkg/status.d/"
INFO_FOLDER = "/var/lib/dpkg/info/"
ABSENT = {"not-installed", "config-files"}
"""States of packages whose files are not there."""


def is_read(path: str) -> bool:
    """Return whether `read` knows the file."""
    if path == STATUS or path.startswith(STATUS_FOLDER):
        return True
    return path.startswith(INFO_FOLDER) and path.endswith(".list")


def read(path: str, content: bytes) -> Facts:
    """Return the packages, or the files of one package."""
    name = posixpath.basename(path)
    if path.startswith(INFO_FOLDER):
        package = name.removesuffix(".list").partition(":")[0]
        return Facts(owned=((package, paths_of(text_of(content).splitlines())),))
    if name.endswith(".md5sums"):
        files = (f"/{line.partition(' ')[2].strip()}" for line in text_of(content).splitlines())
        return Facts(owned=((name.removesuffix(".md5sums"), paths_of(files)),))
    paragraphs = text_of(content).replace("\r\n", "\n").split("\n\n")
    found = (_package(fields_of(paragraph.lstrip("\n"))) for paragraph in paragraphs)
    return Facts(packages=tuple(package for package in found if package is not None))


def _package(fields: dict[str, str]) -> Package | None:
    if not fields.get("package") or not fields.get("version"):
        return None
    if fields.get("status", "install ok installed").split()[-1:] in [[state] for state in ABSENT]:
        return None
    return Package("deb", fields["package"], fields["version"], fields.get("architecture", ""), "debian")
