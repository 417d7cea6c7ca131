"""An image in a file or folder: the archive that `docker save` writes, or an OCI image layout. It is read in place.

Source: Docker Image Specification 1.2, "Combined Image JSON + Filesystem Changeset Format"; OCI Image Layout Specification 1.1.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from pratique.errors import DataError, DeniedError, MissingError
from pratique.release.bounds import Budget, NotRead, shown
from pratique.release.forward import CHUNK, DAMAGE, GZIP, ZSTD, ForwardReader, Slice

DOCKER, OCI = "manifest.json", "index.json"
MOST_PARTS = 10_000
LARGEST_JSON = 8 << 20
MOST_LAYERS = 1_000
MOST_HOPS = 40
DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
INDEXES = {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}


@dataclass(frozen=True)
class LayerBlob:
    """A packed layer. diff_id: digest of its unpacked archive. name: of the blob. size: packed bytes. command: that made it."""

    diff_id: str
    name: str
    size: int
    command: str


@dataclass(frozen=True)
class SavedImage:
    """An image that is saved: its configuration as JSON, and its layers from the lowest to the highest."""

    config: Mapping[str, Any]
    layers: tuple[LayerBlob, ...]
    parts: Parts

    def reader(self, layer: LayerBlob, budget: Budget) -> ForwardReader:
        """Return a reader of an unpacked layer. Raises: NotRead, DataError."""
        return ForwardReader(self.parts.open(layer.name), budget)

    def close(self) -> None:
        """Close the file."""
        self.parts.close()


class Parts:
    """The named parts of a saved image: blobs, and the JSON that names them. cut: how an archive is incomplete, or ""."""

    def __init__(self, path: Path, budget: Budget) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._opened: list[BinaryIO] = []
        self._found: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        self.cut = ""
        self._folder = path.is_dir()
        if not self._folder:
            self._file = _opened(path, budget)
            try:
                self._index(self._file)
            except BaseException:
                self._file.close()
                raise

    def __contains__(self, name: str) -> bool:
        return (self.path / name).is_file() if self._folder else self._real(name) in self._found

    def open(self, name: str) -> Slice:
        """Return a part as a file. Raises: DataError."""
        if self._folder:
            path = self.path / name
            if not path.is_file() or not path.resolve().is_relative_to(self.path.resolve()):
                raise DataError(f"image {str(self.path)!r} has no part {name!r}: save the image again")
            self._opened.append(path.open("rb"))
            return Slice(self._opened[-1], 0, path.stat().st_size)
        real = self._real(name)
        if real not in self._found or self._file is None:
            lacking = (
                f"{self.cut}, and its part {shown(name)!r} is missing" if self.cut else f"has no part {shown(name)!r}"
            )
            raise DataError(f"image {str(self.path)!r} {lacking}: save the image again")
        return Slice(self._file, *self._found[real])

    def size(self, name: str) -> int:
        """Return the bytes of a part."""
        if self._folder:
            return (self.path / name).stat().st_size
        return self._found.get(self._real(name), (0, 0))[1]

    def json(self, name: str, *, digest: str = "") -> Any:
        """Return a part that is JSON. Raises: DataError when it is damaged, or has another digest than its name says."""
        content = self.open(name).read(LARGEST_JSON + 1) or b""
        if len(content) > LARGEST_JSON:
            raise DataError(f"image {str(self.path)!r}: {shown(name)!r} has more than {LARGEST_JSON >> 20} MiB")
        if digest and hashlib.sha256(content).hexdigest() != digest:
            raise DataError(
                f"image {str(self.path)!r}: {name!r} is damaged, its digest does not match: save the image again"
            )
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise DataError(f"image {str(self.path)!r}: {shown(name)!r} is not JSON: save the image again") from error

    def close(self) -> None:
        """Close all files."""
        for file in (*self._opened, *([self._file] if self._file is not None else [])):
            file.close()

    def _real(self, name: str) -> str:
        """Follow the links between parts, which older engines write for equal layers."""
        for _ in range(MOST_HOPS):
            if name not in self._links:
                return name
            folder = name.split("/")[:-1]
            for part in self._links[name].split("/"):
                folder = folder[:-1] if part == ".." else [*folder, part]
            name = "/".join(folder)
        return name

    def _index(self, file: BinaryIO) -> None:
        """Find the parts of an archive. Raises: DataError for damage, and for a name that occurs twice."""
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                for number, member in enumerate(archive):
                    if number > MOST_PARTS:
                        raise DataError(f"image {str(self.path)!r} has more than {MOST_PARTS:,} parts")
                    name = member.name.removeprefix("./")
                    if name in self._found or name in self._links:
                        raise DataError(f"image {str(self.path)!r} has {shown(name)!r} twice: save the image again")
                    if member.isreg() and not member.issparse():
                        self._found[name] = (member.offset_data, member.size)
                    elif member.issym() or member.islnk():
                        self._links[name] = (
                            member.linkname if member.issym() else f"{'../' * name.count('/')}{member.linkname}"
                        )
                # tarfile takes a header that is cut or damaged for the end
                file.seek(archive.offset)
                if file.read(tarfile.BLOCKSIZE).strip(b"\0") or file.tell() < archive.offset + tarfile.BLOCKSIZE:
                    self.cut = f"is truncated or damaged at byte {archive.offset:,}"
        except DAMAGE as error:
            raise DataError(
                f"image {str(self.path)!r} is truncated or damaged: {error!s:.100}: save the image again"
            ) from error


def open_image(path: Path, budget: Budget) -> SavedImage:
    """Open a saved image. Raises: MissingError, DeniedError, DataError."""
    if not path.exists():
        raise MissingError(f"image {str(path)!r} does not exist: check the path")
    try:
        parts = Parts(path, budget)
    except OSError as error:
        raise DeniedError(f"image {str(path)!r} cannot be read: {error.strerror or error}") from error
    try:
        if DOCKER in parts:
            return _docker(parts)
        return _oci(parts)
    except BaseException:
        parts.close()
        raise


def is_image(path: Path) -> bool:
    """Return whether a path is a saved image: a file, or a folder with an OCI layout. Other folders are directories of files."""
    return path.is_file() or (path / OCI).is_file()


def _wrong(parts: Parts, why: str) -> DataError:
    return DataError(f"{str(parts.path)!r} is not an image: {why}: write it with docker save")


def _opened(path: Path, budget: Budget) -> BinaryIO:
    """Open an archive; one that is packed as a whole is unpacked into a temporary file, within the limits."""
    file = path.open("rb")
    magic = file.read(4)
    file.seek(0)
    if not magic.startswith((GZIP, ZSTD)):
        return file
    with file:
        unpacked = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
        try:
            reader = ForwardReader(Slice(file, 0, path.stat().st_size), budget)
            reader.in_content = True
            while piece := reader.read(CHUNK):
                unpacked.write(piece)
                budget.deadline.check()
        except (NotRead, *DAMAGE) as error:
            unpacked.close()
            raise DataError(f"image {str(path)!r} cannot be read: {error!s:.100}") from error
    unpacked.seek(0)
    return unpacked


def _docker(parts: Parts) -> SavedImage:
    listed = parts.json(DOCKER)
    if not isinstance(listed, list) or not listed or not isinstance(listed[0], dict):
        raise _wrong(parts, f"{DOCKER} lists no image")
    if len(listed) > 1:
        raise DataError(f"{str(parts.path)!r} has {len(listed)} images: save one")
    name, layers = listed[0].get("Config"), listed[0].get("Layers")
    if not isinstance(name, str) or not isinstance(layers, list) or not all(isinstance(layer, str) for layer in layers):
        raise _wrong(parts, f"{DOCKER} names no configuration or no layers")
    named = re.fullmatch(r"(?:blobs/sha256/)?([0-9a-f]{64})(?:\.json)?", name)
    return _image(parts, parts.json(name, digest=named[1] if named else ""), layers)


def _oci(parts: Parts) -> SavedImage:
    if OCI not in parts:
        if parts.cut:
            raise DataError(
                f"image {str(parts.path)!r} {parts.cut}, before its {DOCKER} or {OCI}: save or copy the image again"
            )
        raise _wrong(parts, f"it has neither {DOCKER} nor {OCI}")
    manifest = _manifest(parts, parts.json(OCI))
    config = _blob(parts, manifest.get("config"))
    layers = manifest.get("layers")
    if not isinstance(layers, list):
        raise _wrong(parts, "its manifest has no layers")
    names = [f"blobs/sha256/{_blob(parts, layer)}" for layer in layers]
    return _image(parts, parts.json(f"blobs/sha256/{config}", digest=config), names)


def _manifest(parts: Parts, index: Any, depth: int = 0) -> dict[str, Any]:
    """Return the manifest of an index: the only one, or that of this machine's platform."""
    listed = index.get("manifests") if isinstance(index, dict) else None
    found = [one for one in listed or () if isinstance(one, dict) and _platform(one) != "unknown"]
    here = MACHINES.get(platform.machine(), platform.machine())
    chosen = found if len(found) == 1 else [one for one in found if _platform(one) == here]
    if len(chosen) != 1 or depth > 2:
        names = ", ".join(sorted({shown(_platform(one)) for one in found})) or "none"
        raise _wrong(parts, f"its index has {len(found)} images ({names}), not exactly one for {here}")
    digest = _blob(parts, chosen[0])
    content = parts.json(f"blobs/sha256/{digest}", digest=digest)
    if chosen[0].get("mediaType") in INDEXES or (isinstance(content, dict) and "manifests" in content):
        return _manifest(parts, content, depth + 1)
    if not isinstance(content, dict):
        raise _wrong(parts, "its manifest is not an object")
    return content


def _platform(descriptor: dict[str, Any]) -> str:
    told = descriptor.get("platform")
    return str(told.get("architecture", "")) if isinstance(told, dict) else ""


def _blob(parts: Parts, descriptor: Any) -> str:
    """Return the digest of a descriptor, in hex."""
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    found = DIGEST.fullmatch(digest) if isinstance(digest, str) else None
    if found is None:
        raise _wrong(parts, "a descriptor has no sha256 digest")
    return found[1]


def _image(parts: Parts, config: Any, names: list[str]) -> SavedImage:
    ids = diff_ids(config)
    if not isinstance(config, dict) or len(ids) != len(names) or len(names) > MOST_LAYERS:
        raise _wrong(parts, f"its configuration has {len(ids)} layers, and its manifest {len(names)}")
    commands = layer_commands(config, len(ids))
    layers = (
        LayerBlob(diff_id, name, parts.size(name) if name in parts else 0, command)
        for diff_id, name, command in zip(ids, names, commands, strict=True)
    )
    return SavedImage(config, tuple(layers), parts)


def diff_ids(config: Any) -> list[str]:
    """Return the digests of an image's unpacked layers, from the lowest to the highest."""
    found = config.get("rootfs") if isinstance(config, dict) else None
    listed = found.get("diff_ids") if isinstance(found, dict) else None
    return [str(digest) for digest in listed] if isinstance(listed, list) else []


def layer_commands(config: Mapping[str, Any], number: int) -> list[str]:
    """Return the command that made each layer; "" for all of them where the history does not fit the layers."""
    history = config.get("history")
    steps = [step for step in history if isinstance(step, dict)] if isinstance(history, list) else []
    made = [str(step.get("created_by", "")) for step in steps if not step.get("empty_layer")]
    return made if len(made) == number else [""] * number
