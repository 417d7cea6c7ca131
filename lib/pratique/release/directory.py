"""Releases as directories: `releases/<revision>/`, immutable, known by the digest of their content."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pratique.config import RuntimeSettings, check_name
from pratique.errors import DataError, DeniedError, MissingError, UsageError
from pratique.release.model import Release

_IGNORED = {"__pycache__"}


def load_release(service: str, revision: str, settings: RuntimeSettings, base: Path) -> Release:
    """The release of a revision, read from its directory below `base`.

    Raises: UsageError (a name that cannot be a directory, no command), MissingError naming what there is,
    DataError, DeniedError.
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

    Of the modes only the owner's executable bit counts, as in git, so that a clone has the same digest.
    Python's bytecode cache is left out: running a release may write it.
    Raises: DataError on anything that is neither file nor directory (a link can change behind the digest),
    DeniedError when something cannot be read.
    """
    total = hashlib.sha256()
    try:
        for path in sorted(_files(directory), key=os.fsencode):
            name = os.fsencode(path.relative_to(directory))
            executable = b"x" if path.stat().st_mode & stat.S_IXUSR else b"-"
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            # the name's length stands first, so that no name can be read as the end of another line
            total.update(b"%d:%b %b %b\n" % (len(name), name, executable, content.encode()))
    except OSError as error:
        raise DeniedError(
            f"release {str(directory)!r} cannot be read at {error.filename!r}: {error.strerror}"
        ) from error
    return f"sha256:{total.hexdigest()}"


def _files(directory: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(directory, onerror=_refuse):
        folders[:] = [name for name in folders if name not in _IGNORED]
        for path in (Path(folder, name) for name in [*folders, *names]):
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise DataError(
                    f"release {str(directory)!r} holds {path.name!r}, which is no plain file: put a copy in its place"
                )
        yield from (Path(folder, name) for name in names)


def _refuse(error: OSError) -> None:
    raise error
