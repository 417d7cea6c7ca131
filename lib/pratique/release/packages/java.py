"""Java: the runtime by its `release` file, Tomcat by its catalina.jar, and libraries by what their archives tell.

The version of an archive is that of its `pom.properties`, else of its manifest, else of its name. An archive of classes
that were merged has several `pom.properties`; each is a package. Archives in archives are read to a depth of 2.
Source: JAR File Specification, "Per-entry attributes" and "Main attributes"; Maven Archiver; JEP 223 and JDK-8199661 (`release`).
"""

from __future__ import annotations

import io
import posixpath
import re
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import IO

from pratique.release.bounds import NotRead
from pratique.release.forward import DAMAGE
from pratique.release.packages.model import Facts, Package, fields_of, text_of

ARCHIVES = (".jar", ".war", ".ear", ".par")
RELEASE = "/release"
MANIFEST = "META-INF/MANIFEST.MF"
TOMCAT = "org/apache/catalina/util/ServerInfo.properties"
SMALL = 1 << 20
MOST_ENTRIES = 65_536
LARGEST = 64 << 20
"""Bytes of an archive in an archive."""
LARGEST_DIRECTORY = 8 << 20
"""Bytes of the list of entries, which zipfile reads into memory as a whole."""
END, END_64, END_BYTES = b"PK\x05\x06", b"PK\x06\x07", 22
LONGEST_NAME = 255
MOST_UNPACKED = 256 << 20
"""Bytes that one archive may unpack to, with all archives in it."""
VERSIONS = ("implementation-version", "bundle-version", "specification-version")
_KEY = re.compile(r'^(JAVA_RUNTIME_VERSION|JAVA_VERSION|IMPLEMENTOR)="?([^"\n]{1,80})"?\s*$', re.MULTILINE)
_NAME = re.compile(r"^(.+?)[-_]v?(\d[\w.+-]*)$")


def is_read(path: str) -> bool:
    """Return whether `read` knows the file."""
    return path.endswith((*ARCHIVES, RELEASE))


def read(path: str, content: bytes, *, depth: int = 2) -> Facts:
    """Return the packages of an archive, or the runtime."""
    if path.endswith(RELEASE):
        found = dict(_KEY.findall(text_of(content[:SMALL])))
        version = found.get("JAVA_RUNTIME_VERSION") or found.get("JAVA_VERSION")
        return Facts(packages=(Package("runtime", "Java", version.removesuffix("-LTS")),) if version else ())
    archive = _Archive(depth)
    packages = tuple(archive.packages(path, io.BytesIO(content)))
    return Facts(packages=packages, unread=tuple(("maven", reason) for reason in archive.unread))


@dataclass
class _Archive:
    """One archive with the archives in it. left: bytes that it may still unpack to."""

    depth: int
    left: int = MOST_UNPACKED

    def __post_init__(self) -> None:
        self.unread: list[str] = []

    def packages(self, path: str, file: IO[bytes], level: int = 0) -> Iterator[Package]:
        name = posixpath.basename(path)
        try:
            _require_small_directory(file)
            with zipfile.ZipFile(file) as archive:
                yield from self._own(name, file, archive)
                for entry in archive.infolist():
                    if entry.filename.endswith(ARCHIVES):
                        yield from self.packages(entry.filename, self._inner(archive, entry, level), level + 1)
        except (NotRead, *DAMAGE) as error:
            self.unread.append(f"{name}: {error or type(error).__name__}")

    def _inner(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, level: int) -> IO[bytes]:
        """Return an archive in an archive. Raises: NotRead."""
        if level + 1 > self.depth:
            raise NotRead(f"archives in archives, more than {self.depth} deep")
        return io.BytesIO(self._content(archive, entry, LARGEST))

    def _own(self, name: str, file: IO[bytes], archive: zipfile.ZipFile) -> Iterator[Package]:
        names = {entry.filename: entry for entry in archive.infolist()}
        if len(names) > MOST_ENTRIES:
            raise NotRead(f"more than {MOST_ENTRIES:,} entries")
        if TOMCAT in names:
            version = _properties(self._content(archive, names[TOMCAT], SMALL)).get("server.number", "")
            yield Package("runtime", "Tomcat", version.removesuffix(".0") if version.count(".") > 2 else version)
        poms = [entry for entry in names if entry.startswith("META-INF/maven/") and entry.endswith("/pom.properties")]
        told = [_properties(self._content(archive, names[pom], SMALL)) for pom in poms[:MOST_ENTRIES]]
        whole = [pom for pom in told if pom.get("artifactId") and pom.get("version")]
        for pom in whole:
            yield Package("maven", pom["artifactId"], pom["version"], group=pom.get("groupId", ""))
        if not whole:
            manifest = fields_of(text_of(self._content(archive, names[MANIFEST], SMALL))) if MANIFEST in names else {}
            yield _named(name, manifest, file)

    def _content(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
        """Return the content of an entry, whatever its header says of its size. Raises: NotRead."""
        with archive.open(entry) as opened:
            content = opened.read(min(most, self.left) + 1)
        if len(content) > min(most, self.left):
            raise NotRead(f"it unpacks to more than {min(most, self.left):,} bytes")
        self.left -= len(content)
        return content


def _require_small_directory(file: IO[bytes]) -> None:
    """Check the size of the list of entries before zipfile reads it. Raises: NotRead, ValueError (no end record)."""
    size = file.seek(0, io.SEEK_END)
    start = max(0, size - END_BYTES - (1 << 16))
    file.seek(start)
    tail = file.read()
    at = tail.rfind(END)
    if at < 0 or at + END_BYTES > len(tail):
        raise ValueError("no list of entries")
    (directory,) = struct.unpack_from("<I", tail, at + 12)
    if directory > LARGEST_DIRECTORY or tail[max(0, at - 20) : at].startswith(END_64):
        raise NotRead(f"a list of entries of more than {LARGEST_DIRECTORY >> 20} MiB")
    file.seek(0)


def _named(name: str, manifest: dict[str, str], file: IO[bytes]) -> Package:
    """Return the package of an archive without Maven's file."""
    stem = posixpath.splitext(name)[0][:LONGEST_NAME]
    split = _NAME.match(stem)
    artifact = split[1] if split else stem
    version = next((manifest[key] for key in VERSIONS if manifest.get(key)), "") or (split[2] if split else "")
    if version:
        return Package("maven", artifact, version)
    file.seek(0)
    return Package("maven", artifact, "", content=sha256(file.read()).hexdigest()[:16])


def _properties(content: bytes) -> dict[str, str]:
    pairs = (line.partition("=") for line in text_of(content).splitlines() if not line.startswith("#"))
    return {key.strip(): value.strip() for key, separator, value in pairs if separator}
