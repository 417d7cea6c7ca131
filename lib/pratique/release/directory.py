"""Releases as directories: `releases/<revision>/`, immutable, known by the digest of their content."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from pratique.config import RuntimeSettings, check_name
from pratique.errors import DataError, MissingError, UsageError
from pratique.release.model import Release

_IGNORED = {"__pycache__"}


def load_release(service: str, revision: str, settings: RuntimeSettings, base: Path) -> Release:
    """The release of a revision, read from its directory below `base`.

    Raises: UsageError (a name that cannot be a directory, no command), MissingError naming what there is.
    """
    check_name("service", service)
    check_name("revision", revision)
    folder = base / settings.releases
    directory = folder / revision
    if not directory.is_dir():
        known = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        there = f"there are {', '.join(known[-20:])}" if known else "there is none"
        raise MissingError(f"no release {revision!r} of {service!r} in {str(folder)!r}: {there}")
    if not settings.command:
        raise UsageError(
            f"services.{service}.runtime.command is empty: say in the service file how a release is started"
        )
    return Release(
        service, revision, digest_of(directory), str(directory.absolute()), settings.command, dict(settings.env)
    )


def digest_of(directory: Path) -> str:
    """sha256 over the sorted relative paths, the executable bits and the contents of a directory.

    Raises: DataError on anything that is neither file nor directory: a link can change behind the digest.
    """
    total = hashlib.sha256()
    for path in sorted(_files(directory)):
        name = path.relative_to(directory).as_posix().encode()
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        executable = b"x" if path.stat().st_mode & stat.S_IXUSR else b"-"
        total.update(b"%d:%b %b %b\n" % (len(name), name, executable, content.encode()))
    return f"sha256:{total.hexdigest()}"


def _files(directory: Path) -> list[Path]:
    found = []
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if name not in _IGNORED]
        for name in [*folders, *names]:
            path = Path(folder, name)
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise DataError(
                    f"release {str(directory)!r} holds {name!r}, which is no plain file: put a copy in its place"
                )
        found += [Path(folder, name) for name in names]
    return found
