"""Open a file that a person named, with each reason why that fails in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pratique.errors import DeniedError, MissingError, UsageError


@contextmanager
def opened_file(path: Path, what: str) -> Iterator[BinaryIO]:
    """Open a file for reading, and translate the errors of reading too. what: kind of file that is wanted, for the message.

    Raises: MissingError; UsageError for a folder; DeniedError.
    """
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise MissingError(f"file {str(path)!r} does not exist: check its path") from error
    except IsADirectoryError as error:
        raise UsageError(f"{str(path)!r} is a folder: give the path of {what}") from error
    except OSError as error:
        raise DeniedError(f"file {str(path)!r} cannot be read: {error.strerror}: check the permissions") from error
