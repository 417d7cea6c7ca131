"""Read one layer of an image, or a release directory, in place: names, kinds, sizes, hashes and facts of its files.

Nothing is extracted, and no link is followed. Unread parts become findings of the layer.
Source: OCI Image Specification 1.1, "Image Layer Filesystem Changeset": whiteouts `.wh.NAME` and `.wh..wh..opq`.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Protocol

from pratique.release.bounds import LONGEST_READ, Budget, NotRead, Unread, shown
from pratique.release.forward import CHUNK, DAMAGE, ForwardReader
from pratique.release.packages import Facts, kind_of, read_facts

WHITEOUT, OPAQUE, OF_ENGINE = ".wh.", ".wh..wh..opq", ".wh..wh."
FILE, FOLDER, LINK, HARD_LINK, DEVICE = "file", "folder", "link", "hard link", "device"
BLOCK = 512
MOST_FINDINGS = 20
"""Findings of one layer; a layer with more of them says no more by them."""
CACHES = {"__pycache__"}
"""Folders that a release directory does not count as its content."""


@dataclass(slots=True)
class Entry:
    """One file, folder, link or device. digest: b"" while the content was not hashed. time: of change, seconds since 1970."""

    kind: str
    size: int = 0
    mode: int = 0
    owner: tuple[int, int] = (0, 0)
    time: int = 0
    target: str = ""
    digest: bytes = b""
    facts: Facts | None = None


@dataclass
class Layer:
    """What a layer adds, in its order, and hides.

    hidden: paths. opaque: folders whose content below this layer is hidden. is_whole: whether all of it was read.
    bytes: of its files.
    """

    entries: list[tuple[str, Entry]] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    is_whole: bool = True
    bytes: int = 0

    def miss(self, what: str, reason: str, part: str = "files", kind: str = "") -> None:
        """Record something that was not read."""
        self.is_whole &= part != "files"
        if len(self.unread) < MOST_FINDINGS:
            self.unread.append(Unread(part, shown(what), shown(reason), kind))


class Source(Protocol):
    """What content is read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""


def read_layer(name: str, reader: ForwardReader, budget: Budget, *, hashed: bool) -> Layer:
    """Return what a layer's archive contains. hashed: whether the content of its files counts."""
    layer = Layer()
    try:
        for path, member in _members(reader, budget, layer):
            _add(layer, path, member, reader, budget, hashed=hashed)
    except (NotRead, *DAMAGE) as error:
        layer.miss(name, _reason(error))
    return layer


def read_digests(reader: ForwardReader, budget: Budget, wanted: AbstractSet[str]) -> dict[str, bytes]:
    """Return the hashes of some files of a layer; those that cannot be read are missing."""
    found: dict[str, bytes] = {}
    try:
        for path, member in _members(reader, budget, Layer()):
            if path in wanted and member.isreg():
                found[path] = _content(reader, member.size, budget, keep=False)[0]
    except (NotRead, *DAMAGE):
        pass
    return found


def read_directory(folder: Path, budget: Budget) -> Layer:
    """Return what a directory contains. Links are not followed, and only regular files are opened."""
    layer = Layer()
    try:
        for path, real, found in _walk(folder, layer):
            budget.member(path)
            # as the digest of a release: only the owner's executable bit counts
            mode = 0o755 if found.st_mode & stat.S_IXUSR else 0o644
            entry = Entry(_kind(found.st_mode), found.st_size, mode, time=int(found.st_mtime))
            if entry.kind == LINK:
                entry.target = os.fspath(real.readlink())
            elif entry.kind == FILE:
                _read_file(layer, path, real, entry, budget)
            layer.entries.append((path, entry))
    except NotRead as error:
        layer.miss(str(folder), _reason(error))
    return layer


def _members(reader: ForwardReader, budget: Budget, layer: Layer) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Yield the members of an archive with their paths in the image. Raises: NotRead, errors of a damaged archive."""
    reader.begin_header()
    archive = tarfile.TarFile(fileobj=reader, mode="r", errors="surrogateescape")  # type: ignore[arg-type] # it reads and seeks
    while True:
        reader.begin_header()
        member = archive.next()
        if member is None:
            break
        # tarfile keeps them all
        archive.members.clear()  # type: ignore[attr-defined] # it is there in every version of Python
        budget.member(member.name)
        path = _inside(member.name, layer, budget)
        if path:
            yield path, member
    if reader.last.strip(b"\0") or len(reader.last) < BLOCK:
        raise NotRead("the archive is truncated or damaged: it ends without its end mark")


def _inside(name: str, layer: Layer, budget: Budget) -> str:
    """Return the absolute path of a member; "" for the root, and for one that leads out of the image."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        layer.miss(name, "a name that leads out of the image")
        return ""
    if len(parts) > budget.limits.path_depth:
        layer.miss(name, f"more than {budget.limits.path_depth} folders deep")
        return ""
    return f"/{'/'.join(parts)}" if parts else ""


def _add(
    layer: Layer, path: str, member: tarfile.TarInfo, reader: ForwardReader, budget: Budget, *, hashed: bool
) -> None:
    folder, _, name = path.rpartition("/")
    if name == OPAQUE:
        layer.opaque.append(folder or "/")
    elif name.startswith(OF_ENGINE):
        # bookkeeping of an engine's file system
        return
    elif name.startswith(WHITEOUT):
        layer.hidden.append(f"{folder}/{name.removeprefix(WHITEOUT)}")
    else:
        entry = Entry(
            _kind_of(member),
            member.size,
            member.mode & 0o7777,
            (member.uid, member.gid),
            int(member.mtime),
            member.linkname,
        )
        if entry.kind == FILE:
            _read_member(layer, path, member, entry, reader, budget, hashed=hashed)
            layer.bytes += entry.size
        layer.entries.append((path, entry))


def _kind_of(member: tarfile.TarInfo) -> str:
    if member.isdir():
        return FOLDER
    if member.issym():
        return LINK
    if member.islnk():
        return HARD_LINK
    return FILE if member.isreg() else DEVICE


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return FOLDER
    if stat.S_ISLNK(mode):
        return LINK
    return FILE if stat.S_ISREG(mode) else DEVICE


def _read_member(
    layer: Layer,
    path: str,
    member: tarfile.TarInfo,
    entry: Entry,
    reader: ForwardReader,
    budget: Budget,
    *,
    hashed: bool,
) -> None:
    if member.issparse():
        layer.miss(path, "a sparse file")
        return
    kind = kind_of(path)
    if hashed or kind:
        reader.in_content = True
        reader.seek(member.offset_data)
        keep = bool(kind) and member.size <= budget.limits.file_bytes
        entry.digest, content = _content(reader, member.size, budget, keep=keep)
        _tell(layer, path, entry, kind, content, budget)


def _read_file(layer: Layer, path: str, real: Path, entry: Entry, budget: Budget) -> None:
    kind = kind_of(path)
    try:
        with os.fdopen(os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            entry.size = os.fstat(file.fileno()).st_size
            keep = bool(kind) and entry.size <= budget.limits.file_bytes
            budget.spend(entry.size)
            entry.digest, content = _content(file, entry.size, budget, keep=keep)
    except (OSError, EOFError) as error:
        layer.miss(path, getattr(error, "strerror", None) or str(error))
        return
    layer.bytes += entry.size
    _tell(layer, path, entry, kind, content, budget)


def _content(source: Source | BinaryIO, size: int, budget: Budget, *, keep: bool) -> tuple[bytes, bytes]:
    """Return the hash of the next `size` bytes, and the bytes themselves if they are kept. Raises: NotRead, EOFError."""
    total, pieces, left = sha256(), [], size
    while left:
        piece = source.read(min(left, CHUNK if size > CHUNK else LONGEST_READ))
        if not piece:
            raise EOFError("it is truncated: a file is shorter than its header says")
        total.update(piece)
        left -= len(piece)
        if keep:
            pieces.append(piece)
        if size > CHUNK:
            budget.deadline.check()
    return total.digest(), b"".join(pieces)


def _tell(layer: Layer, path: str, entry: Entry, kind: str, content: bytes, budget: Budget) -> None:
    """Parse a file that tells about packages."""
    if not kind:
        return
    if len(content) != entry.size:
        layer.miss(path, f"larger than {budget.limits.file_bytes >> 20} MiB", "packages", kind)
        return
    entry.facts = read_facts(kind, path, content, jar_depth=budget.limits.jar_depth)


def _walk(folder: Path, layer: Layer) -> Iterator[tuple[str, Path, os.stat_result]]:
    def missed(error: OSError) -> None:
        layer.miss(str(error.filename or folder), error.strerror or "cannot be read")

    for where, folders, names in os.walk(folder, onerror=missed):
        folders[:] = sorted(name for name in folders if name not in CACHES)
        for name in [*folders, *sorted(names)]:
            real = Path(where, name)
            try:
                yield f"/{real.relative_to(folder)}", real, real.lstat()
            except OSError as error:
                missed(error)


def _reason(error: BaseException) -> str:
    if isinstance(error, NotRead):
        return str(error)
    return f"the archive is truncated or damaged: {error or type(error).__name__}"
