"""Small images made by tests: real archives of `docker save` and real OCI layouts, from layers that are lists of files.

layer(file("/etc/a", "text"), link("/b", "a"), folder("/c"), whiteout("/etc/old"))   → bytes of a tar
docker_image(path, [layer(…), …], env={"A": "1"})                                   → writes an archive of docker save
oci_image(path, [layer(…), …], compress=gzip.compress)                              → writes an OCI layout as a tar
"""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import struct
import tarfile
import zipfile

EMPTY_CONFIG = {"architecture": "amd64", "os": "linux"}


def entry(name, **more):
    """A tar member."""
    found = tarfile.TarInfo(name.lstrip("/") if not more.pop("raw", False) else name)
    found.mode = 0o644
    for key, value in more.items():
        setattr(found, key, value)
    return found


def file(name, content="", **more):
    data = content.encode() if isinstance(content, str) else content
    found = entry(name, **more)
    found.size = len(data)
    return found, data


def folder(name, **more):
    return entry(name, type=tarfile.DIRTYPE, mode=0o755, **more), None


def link(name, target, **more):
    return entry(name, type=tarfile.SYMTYPE, linkname=target, mode=0o777, **more), None


def hard_link(name, target):
    return entry(name, type=tarfile.LNKTYPE, linkname=target.lstrip("/")), None


def device(name):
    return entry(name, type=tarfile.CHRTYPE, devmajor=1, devminor=3), None


def whiteout(name):
    head, _, last = name.rpartition("/")
    return file(f"{head}/.wh.{last}")


def opaque(name):
    return file(f"{name}/.wh..wh..opq")


def layer(*members):
    """The bytes of a layer."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in members:
            tar.addfile(member, io.BytesIO(data) if data is not None else None)
    return packed.getvalue()


def sha(data):
    return hashlib.sha256(data).hexdigest()


def config_of(layers, *, history=None, **settings):
    """The configuration of an image as bytes. settings: Env, Labels, Cmd and others of `config`; env: a mapping."""
    env = settings.pop("env", None)
    inner = {**settings, **({"Env": [f"{key}={value}" for key, value in env.items()]} if env else {})}
    found = {
        **EMPTY_CONFIG,
        "config": inner,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha(one)}" for one in layers]},
    }
    if history:
        found["history"] = history
    return json.dumps(found).encode()


def docker_image(path, layers, *, compress=bytes, **settings):
    """Write what docker save writes: blobs by digest, and manifest.json at the end."""
    config = config_of(layers, **settings)
    parts = {f"blobs/sha256/{sha(config)}": config}
    names = []
    for one in layers:
        packed = compress(one)
        names.append(f"blobs/sha256/{sha(packed)}")
        parts[names[-1]] = packed
    parts["manifest.json"] = json.dumps(
        [{"Config": f"blobs/sha256/{sha(config)}", "RepoTags": ["x:1"], "Layers": names}]
    ).encode()
    return write_tar(path, parts)


def oci_parts(layers, *, compress=bytes, media="application/vnd.oci.image.layer.v1.tar", **settings):
    """The parts of an OCI layout by their names."""
    config = config_of(layers, **settings)
    parts = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', f"blobs/sha256/{sha(config)}": config}
    described = []
    for one in layers:
        packed = compress(one)
        parts[f"blobs/sha256/{sha(packed)}"] = packed
        described.append({"mediaType": media, "digest": f"sha256:{sha(packed)}", "size": len(packed)})
    manifest = json.dumps(
        {"schemaVersion": 2, "config": {"digest": f"sha256:{sha(config)}"}, "layers": described}
    ).encode()
    parts[f"blobs/sha256/{sha(manifest)}"] = manifest
    index = {"schemaVersion": 2, "manifests": [{"digest": f"sha256:{sha(manifest)}", "size": len(manifest)}]}
    return {**parts, "index.json": json.dumps(index).encode()}


def oci_image(path, layers, **settings):
    """Write an OCI layout as a tar."""
    return write_tar(path, oci_parts(layers, **settings))


def oci_folder(path, layers, **settings):
    """Write an OCI layout as a folder."""
    for name, content in oci_parts(layers, **settings).items():
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return path


def write_tar(path, parts):
    with tarfile.open(path, "w") as tar:
        for name, content in parts.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def dpkg_status(**packages):
    """The text of dpkg's status; a value is the version."""
    return "\n".join(
        f"Package: {name.replace('_', '-')}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\nDescription: one\n more: of it\n"
        for name, version in packages.items()
    )


def python_package(name, version, folder="/usr/lib/python3/site-packages", files=()):
    """The files of an installed Python package."""
    inner = f"{folder}/{name}-{version}.dist-info"
    record = "".join(f"{one},,\n" for one in files)
    return [
        file(f"{inner}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: of nothing\n"),
        file(f"{inner}/RECORD", record),
        *(file(f"{folder}/{one}", f"# {version}") for one in files),
    ]


def jar(*, pom=None, manifest=None, **entries):
    """The bytes of an archive; pom: (group, artifact, version)."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        if pom:
            group, artifact, version = pom
            text = f"#Generated\ngroupId={group}\nartifactId={artifact}\nversion={version}\n"
            archive.writestr(f"META-INF/maven/{group}/{artifact}/pom.properties", text)
        if manifest:
            archive.writestr(
                "META-INF/MANIFEST.MF",
                "Manifest-Version: 1.0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in manifest.items()),
            )
        for name, content in entries.items():
            archive.writestr(name, content)
    return packed.getvalue()


def rpm_header(name, version, release, *, epoch=0, arch="x86_64", files=()):
    """A header blob as rpm keeps it in its database."""
    folders = list(dict.fromkeys(path.rpartition("/")[0] + "/" for path in files))
    values = [(1000, 6, [name]), (1001, 6, [version]), (1002, 6, [release]), (1022, 6, [arch])]
    if epoch:
        values.append((1003, 4, [epoch]))
    if files:
        values.append((1116, 4, [folders.index(path.rpartition("/")[0] + "/") for path in files]))
        values += [(1117, 8, [path.rpartition("/")[2] for path in files]), (1118, 8, folders)]
    index, data = b"", b""
    for tag, kind, content in values:
        if kind == 4:
            data += b"\0" * (-len(data) % 4)
        index += struct.pack(">IIII", tag, kind, len(data), len(content))
        data += b"".join(struct.pack(">I", one) if kind == 4 else one.encode() + b"\0" for one in content)
    return struct.pack(">II", len(values), len(data)) + index + data


def rpm_database(*headers):
    """An rpmdb.sqlite with these headers."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
    connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(header,) for header in headers])
    connection.commit()
    return connection.serialize()
