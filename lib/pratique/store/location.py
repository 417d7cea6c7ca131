"""The location of a table: a local folder or object storage, for deltalake and for Arrow."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from deltalake.fs import DeltaStorageHandler
from pyarrow import fs

from pratique.config.store import INFLUXDB, PROMETHEUS, refuse_credentials
from pratique.errors import DataError, DeniedError, UsageError

SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl", "file")
_FROM_ENVIRONMENT = ("AWS_", "AZURE_", "GOOGLE_")


@dataclass(frozen=True)
class Location:
    """The address of a table. folder: the local folder, None for object storage. options: credentials for object storage."""

    url: str = field(repr=False)  # may hold a password
    folder: Path | None
    options: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, url: str) -> Location:
        """Parse an address: a folder, or scheme://….

        Raises: UsageError when the scheme is not one of SCHEMES, or the address holds credentials.
        """
        scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", url)
        kind = "file" if scheme is None else scheme.group(1).lower()
        if kind == "file":
            path = url if scheme is None else url2pathname(urlsplit(url).path)
            folder = Path(path).absolute()
            return cls(str(folder), folder, {})
        if kind not in SCHEMES:
            raise UsageError(
                f"store {shown(url)!r} has an unknown scheme: give a folder or {'://, '.join((*SCHEMES, *INFLUXDB, *PROMETHEUS))}://"
            )
        refuse_credentials(url)
        options = {name: value for name, value in os.environ.items() if name.startswith(_FROM_ENVIRONMENT)}
        return cls(url, None, options)

    @property
    def name(self) -> str:
        """The address for printing, without user and password."""
        return shown(self.url)

    @cached_property
    def files(self) -> fs.FileSystem:
        """A file system in which paths are relative to the table."""
        if self.folder is not None:
            return fs.SubTreeFileSystem(str(self.folder), fs.LocalFileSystem())
        return fs.PyFileSystem(DeltaStorageHandler(self.url, options=self.options))

    def holds_log(self) -> bool:
        """Whether there may be a table.

        Raises: DataError when it is a file, or a local folder with other content; DeniedError.
        """
        if self.folder is None:
            return True
        try:
            names = {path.name for path in self.folder.iterdir()}
            if "_delta_log" in names:
                return any(path.suffix in {".json", ".parquet"} for path in (self.folder / "_delta_log").iterdir())
        except FileNotFoundError:
            return False
        except NotADirectoryError as error:
            raise DataError(f"store {self.name!r} is a file, not a folder: name the folder of a store") from error
        except PermissionError as error:
            raise DeniedError(
                f"store {self.name!r} cannot be read: permission denied; check its owner and permissions"
            ) from error
        if names:
            some = min(names)
            raise DataError(
                f"folder {self.name!r} is not a store: it has no _delta_log but has {some[:60]!r}: name another folder"
            )
        return False

    def settle(self, paths: Iterable[str]) -> None:
        """Make local files durable: they survive a power failure. Object storage does this itself."""
        if self.folder is None:
            return
        folders: set[Path] = set()
        for path in paths:
            _sync(self.folder / path)
            folders.update(Path(path).parents)
        for folder in folders:
            _sync(self.folder / folder)


def one_address(url: str) -> str:
    """Return the one text for every way to write an address: a folder without links, or a URL without a slash at its end."""
    scheme, there, rest = url.partition("://")
    if there and scheme.lower() != "file":
        return f"{scheme.lower()}://{rest.rstrip('/')}"
    return str(Path(url2pathname(urlsplit(url).path) if there else url).resolve())


def shown(url: str) -> str:
    """Return an address without user and password."""
    return re.sub(r"//[^/@]*@", "//", url)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
