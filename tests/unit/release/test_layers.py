"""Reading layers and directories: their entries, and hostile archives, each of which ends as a finding."""

import errno
import gzip
import io
import os
import tarfile
import time

import pytest
import zstandard

from pratique.release.bounds import Budget, Deadline, Limits
from pratique.release.forward import ForwardReader, Slice
from pratique.release.layers import FILE, FOLDER, read_directory, read_layer
from support.made_images import device, entry, file, folder, hard_link, layer, link, opaque, whiteout

CONTENT = {"/a": "text", "/b/c": "x" * 2000}


def reader(data, limits=None):
    budget = Budget(limits or Limits(), Deadline(20))
    return ForwardReader(Slice(io.BytesIO(data), 0, len(data)), budget), budget


def read(data, *, hashed=True, limits=None):
    opened, budget = reader(data, limits)
    return read_layer("the layer", opened, budget, hashed=hashed)


def reasons(found):
    return " ".join(f"{one.what}: {one.reason}" for one in found.unread)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_layer_is_read_plain_and_packed(pack):
    found = read(pack(layer(*(file(name, text) for name, text in CONTENT.items()), folder("/d"))))
    assert found.unread == []
    assert found.is_whole
    assert [(path, one.kind, one.size) for path, one in found.entries] == [
        ("/a", FILE, 4),
        ("/b/c", FILE, 2000),
        ("/d", FOLDER, 0),
    ]
    assert all(one.digest for _, one in found.entries if one.kind == FILE)


def test_content_is_hashed_only_where_it_counts():
    found = read(layer(file("/a", "text"), file("/var/lib/dpkg/status", "Package: a\nVersion: 1\n")), hashed=False)
    assert [bool(one.digest) for _, one in found.entries] == [False, True]


def test_whiteouts_are_no_files():
    found = read(layer(whiteout("/etc/old"), opaque("/srv"), file("/etc/.wh..wh.plnk", ""), file("/new", "")))
    assert (found.hidden, found.opaque) == (["/etc/old"], ["/srv"])
    assert [path for path, _ in found.entries] == ["/new"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/../../b", "/../x"])
def test_a_name_that_leads_out_of_the_image_is_not_read(name):
    found = read(layer(file(name, "root", raw=True), file("/ok", "")))
    assert [path for path, _ in found.entries] == ["/ok"]
    assert "leads out of the image" in reasons(found)
    assert not found.is_whole


def test_a_device_is_never_opened():
    found = read(layer(device("/dev/sda"), hard_link("/x", "/dev/sda")))
    assert [one.kind for _, one in found.entries] == ["device", "hard link"]
    assert found.is_whole


def test_an_empty_file_is_a_finding():
    assert "truncated or damaged: empty file" in reasons(read(b""))


@pytest.mark.parametrize("kept", [100, 512, 513, 1024, 2048, 2500])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_cut_layer_is_a_finding(kept, pack):
    whole = layer(file("/a", "x" * 700), file("/b", os.urandom(3000)), file("/c", "z"))
    packed = pack(whole)
    found = read(packed[: len(packed) * kept // len(whole)])
    assert not found.is_whole
    assert "truncated or damaged" in reasons(found)


def test_a_layer_without_its_end_mark_is_a_finding_even_where_a_file_ends():
    whole = layer(file("/a", "x" * 512), file("/b", "y" * 512))
    assert "without its end mark" in reasons(read(whole[:2048]))


def test_a_damaged_header_in_the_middle_does_not_hide_what_follows():
    whole = bytearray(layer(file("/a", "x"), file("/b", "y"), file("/c", "z")))
    whole[1024 + 150] ^= 0xFF
    assert not read(bytes(whole)).is_whole


@pytest.mark.slow
def test_a_bomb_ends_at_the_ratio():
    bomb = gzip.compress(b"\0" * (64 << 20), 9)
    packed = gzip.compress(layer(file("/zeros", b"\0" * (64 << 20))), 9)
    assert len(bomb) < 1 << 20
    assert "more than 100 times its size" in reasons(read(packed))


def test_a_bomb_of_bombs_ends_at_the_bytes():
    found = read(gzip.compress(layer(file("/x", os.urandom(3 << 20)))), limits=Limits(unpacked_bytes=1 << 20))
    assert "GiB unpacked" in reasons(found)


def test_too_many_files_end_the_reading():
    found = read(layer(*(file(f"/{number}") for number in range(30))), limits=Limits(members=20))
    assert "more than 20 files" in reasons(found)
    assert len(found.entries) == 20


def test_a_deep_name_is_not_read():
    found = read(layer(file("/d" * 300, "x")))
    assert "255 folders deep" in reasons(found)


def test_names_of_many_bytes_end_the_reading():
    found = read(layer(*(file(f"/{number}{'n' * 200}") for number in range(20))), limits=Limits(name_bytes=2000))
    assert "names of more than" in reasons(found)


def raw_header(name, size, kind):
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_a_huge_extended_header_is_not_read_into_memory(kind):
    data = raw_header("pax", 1 << 33, kind) + b"1" * (1 << 20)
    before = time.monotonic()
    found = read(data)
    assert "a header of more than" in reasons(found)
    assert time.monotonic() - before < 5


def test_a_chain_of_extended_headers_ends():
    one = raw_header("pax", 20, b"x") + b"20 comment=aaaaaaaaa\n".ljust(512, b"\0")
    assert "a header of more than" in reasons(read(one * 2000))


def test_a_size_below_zero_ends_the_reading():
    block = bytearray(raw_header("a", 0, b"0"))
    block[124:136] = b"\xff" * 12
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    found = read(bytes(block) + b"\0" * 2048)
    assert not found.is_whole


def sparse(content, size):
    member, data = file("/s", content)
    member.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.realsize": str(size),
        "GNU.sparse.name": "s",
    }
    return member, data


def test_a_sparse_file_is_a_finding():
    before = time.monotonic()
    found = read(layer(sparse(b"1\n0\n4\n".ljust(512, b"\0") + b"data", 1 << 60), file("/t", "")))
    assert not found.is_whole
    assert time.monotonic() - before < 5


def test_a_sparse_file_whose_map_has_no_end_ends():
    assert not read(layer(sparse(b"9" * 600, 10))[:-10240]).is_whole


@pytest.mark.parametrize("magic", [b"BZh91AY", b"\xfd7zXZ\0", b"\x04\x22\x4d\x18"])
def test_another_packing_is_named(magic):
    from pratique.release.bounds import NotRead  # noqa: PLC0415

    with pytest.raises(NotRead, match="compressed with"):
        reader(magic + b"\0" * 600)


def test_the_time_ends_the_reading():
    data = layer(*(file(f"/{number}") for number in range(600)))
    budget = Budget(Limits(), Deadline(0.0))
    found = read_layer("l", ForwardReader(Slice(io.BytesIO(data), 0, len(data)), budget), budget, hashed=True)
    assert "the time limit of 0 s was reached: raise it with --budget" in reasons(found)


def test_a_parsed_file_that_is_too_large_is_a_finding_about_its_packages():
    found = read(layer(file("/var/lib/dpkg/status", "x" * 5000)), limits=Limits(file_bytes=4096))
    assert [(one.part, one.kind) for one in found.unread] == [("packages", "deb")]
    assert found.is_whole


def test_names_are_made_printable():
    found = read(layer(file("/../\x1b[2Jx", "", raw=True)))
    assert "\x1b" not in reasons(found)


def test_many_findings_are_cut():
    found = read(layer(*(file(f"../{number}", raw=True) for number in range(100))))
    assert len(found.unread) == 20


def test_a_directory_is_read_without_following_links(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("secret")
    inside = tmp_path / "release"
    (inside / "sub").mkdir(parents=True)
    (inside / "sub/a").write_text("one")
    (inside / "away").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    os.mkfifo(inside / "pipe")
    found = read_directory(inside, Budget(Limits(), Deadline(20)))
    kinds = {path: one.kind for path, one in found.entries}
    assert kinds == {"/sub": "folder", "/sub/a": "file", "/away": "link", "/loop": "link", "/pipe": "device"}
    assert found.bytes == 3
    assert found.is_whole


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path, monkeypatch):
    def refused(path, *_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    (tmp_path / "a").write_text("x")
    # root, as which the tests may run, reads everything
    monkeypatch.setattr("pratique.release.layers.os.open", refused)
    assert "Permission denied" in reasons(read_directory(tmp_path, Budget(Limits(), Deadline(20))))


def test_a_layer_that_repeats_a_name_keeps_both_in_order():
    found = read(layer(file("/a", "1"), file("/a", "22"), entry("/b", type=tarfile.FIFOTYPE) and folder("/b")))
    assert [one.size for path, one in found.entries if path == "/a"] == [1, 2]


def test_a_link_has_its_target():
    ((path, one),) = read(layer(link("/a", "../x"))).entries
    assert (path, one.kind, one.target) == ("/a", "link", "../x")
