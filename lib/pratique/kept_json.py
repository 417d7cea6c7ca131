"""JSON that Pratique wrote earlier, checked against its type when it is read.

A file may be damaged by a full disk, an editor or another version. Then reading fails in one known way, whatever the file
holds: without this, each of its members could fail later, as an AttributeError or RecursionError without the file's name.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


def read_kept(path: Path, kind: type[T]) -> T:
    """Return the content of a JSON file as `kind`: a dataclass, or a list or dict of such.

    Raises: FileNotFoundError; OSError; ValueError when the content is not JSON, or is of another type.
    """
    return parse_kept(path.read_bytes(), kind)


def parse_kept(content: bytes | str, kind: type[T]) -> T:
    """Return JSON as `kind`. Members that `kind` does not know are left out. Raises: ValueError."""
    found: T = _adapter(cast("Any", kind)).validate_json(content, strict=True)
    return found


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - slow to import, and most commands read no such file

    return TypeAdapter(kind)
