"""Translate errors of deltalake, Arrow and the system into errors of `pratique.errors`, in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from deltalake.exceptions import DeltaError

from pratique.errors import DataError, DeniedError, PratiqueError, StorageError, UnavailableError

_DENIED = ("permission denied", "os error 13)", "os error 1)", "read-only file system", "accessdenied", "forbidden")
_FULL = ("no space left", "os error 28", "disk quota", "os error 122", "file too large")
_AWAY = (
    "error sending request",
    "timed out",
    "connection",
    "dns error",
    "service unavailable",
    "generic s3 error",
    "generic gcs error",
    "generic microsoftazure error",
)


@contextmanager
def translated(name: str, doing: str) -> Iterator[None]:
    """Turn errors of deltalake, Arrow and the system into one line about the store.

    doing: the action that failed, as a participle ("read", "written"). The bindings of object stores raise OSError
    without a number, or DeltaError with many lines, so a full disk and missing permissions differ in their text only.
    """
    try:
        yield
    except PratiqueError:
        raise
    except (OSError, DeltaError, pa.ArrowInvalid) as error:
        raise explain(name, doing, error) from error


def explain(name: str, doing: str, error: Exception) -> PratiqueError:
    """Return the error of Pratique that explains `error` for the store `name`."""
    text = str(error).lower()
    if any(sign in text for sign in _FULL):
        return StorageError(f"store {name!r} cannot be {doing}: the disk is full; stored windows are safe")
    if any(sign in text for sign in _DENIED):
        return DeniedError(f"store {name!r} cannot be {doing}: permission denied; check its owner and permissions")
    if any(sign in text for sign in _AWAY):
        return UnavailableError(f"store {name!r} cannot be {doing}: it does not answer: {_brief(error)}")
    of_the_disk = isinstance(error, OSError) and not isinstance(error, FileNotFoundError) and error.errno is not None
    if of_the_disk or "generic localfilesystem error" in text:
        return StorageError(f"store {name!r} cannot be {doing}: {_brief(error)}")
    return DataError(f"store {name!r} cannot be {doing}: it is damaged, or not a store of Pratique: {_brief(error)}")


def _brief(error: Exception) -> str:
    """The first lines of a message, without backtrace and colours, which do not help a user."""
    text = str(error).partition("   0: ")[0].replace("\x1b[31m↳\x1b[0m", "")
    return " ".join(text.split())[:200]
