"""Releases as directories: `releases/<revision>/`, immutable, identified by the digest of their content."""

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
    """Return the release of a revision, from its directory below `base`.

    Raises: UsageError (an invalid name, no command), MissingError with the existing releases, DataError, DeniedError.
    """
    check_name("service", service)
    check_name("revision", revision)
    folder = base / settings.releases
    directory = folder / revision
    if not directory.is_dir():
        known = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        raise MissingError.unknown("release", revision, known, where=f"of {service!r} in {str(folder)!r}")
    if not settings.command:
        raise UsageError(f"services.{service}.runtime.command is empty: set the command that starts a release")
    return Release(
        service, revision, digest_of(directory), str(directory.absolute()), settings.command, dict(settings.env)
    )


def digest_of(directory: Path) -> str:
    """Return the sha256 of the sorted relative paths, executable bits and contents of a directory.

    Only the owner's executable bit counts, as in git: a clone has the same digest. Python's bytecode cache is ignored,
    because running a release may write it.
    Raises: DataError for anything but files and directories (the target of a link may change), DeniedError.
    """
    total = hashlib.sha256()
    try:
        for path in sorted(_files(directory), key=os.fsencode):
            name = os.fsencode(path.relative_to(directory))
            executable = b"x" if path.stat().st_mode & stat.S_IXUSR else b"-"
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            # the length comes first: otherwise a name could imitate the end of another line
            total.update(b"%d:%b %b %b\n" % (len(name), name, executable, content.encode()))
    except OSError as error:
        raise DeniedError(f"cannot read release {str(directory)!r} at {error.filename!r}: {error.strerror}") from error
    return f"sha256:{total.hexdigest()}"


def _files(directory: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(directory, onerror=_refuse):
        folders[:] = [name for name in folders if name not in _IGNORED]
        for path in (Path(folder, name) for name in [*folders, *names]):
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise DataError(
                    f"release {str(directory)!r} contains {path.name!r}, which is not a regular file: replace it by a copy"
                )
        yield from (Path(folder, name) for name in names)


def _refuse(error: OSError) -> None:
    raise error
