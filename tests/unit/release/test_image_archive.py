"""Saved images: archives of docker save, OCI layouts, and files that are neither."""

import gzip
import io
import json
import tarfile

import pytest
import zstandard

from pratique.errors import DataError, MissingError
from pratique.release.bounds import Budget, Deadline, Limits
from pratique.release.image_archive import is_image, open_image
from support.made_images import config_of, docker_image, file, layer, oci_folder, oci_image, oci_parts, sha, write_tar

LAYERS = [layer(file("/a", "1")), layer(file("/b", "2"))]
pack = zstandard.ZstdCompressor().compress


def budget():
    return Budget(Limits(), Deadline(20))


OPENED = []


@pytest.fixture(autouse=True)
def _closed():
    yield
    while OPENED:
        OPENED.pop().close()


def opened(path):
    OPENED.append(open_image(path, budget()))
    return OPENED[-1]


@pytest.mark.parametrize("write", [docker_image, oci_image])
@pytest.mark.parametrize("compress", [bytes, gzip.compress, pack])
def test_both_forms_and_every_packing(tmp_path, write, compress):
    image = opened(write(tmp_path / "i.tar", LAYERS, compress=compress, env={"A": "1"}))
    assert [one.diff_id for one in image.layers] == [f"sha256:{sha(one)}" for one in LAYERS]
    assert image.config["config"]["Env"] == ["A=1"]
    assert image.reader(image.layers[0], budget()).read(512) == LAYERS[0][:512]


@pytest.mark.parametrize("compress", [gzip.compress, pack])
def test_an_archive_that_is_packed_as_a_whole(tmp_path, compress):
    plain = docker_image(tmp_path / "i.tar", LAYERS)
    packed = tmp_path / "i.tar.x"
    packed.write_bytes(compress(plain.read_bytes()))
    assert len(opened(packed).layers) == 2


def test_an_oci_layout_as_a_folder(tmp_path):
    folder = oci_folder(tmp_path / "layout", LAYERS)
    assert is_image(folder)
    assert not is_image(tmp_path)
    assert len(opened(folder).layers) == 2


def test_older_engines_write_layers_by_id_and_links_for_equal_ones(tmp_path):
    config = config_of([LAYERS[0], LAYERS[0]])
    manifest = json.dumps([{"Config": f"{sha(config)}.json", "Layers": ["one/layer.tar", "two/layer.tar"]}]).encode()
    path = tmp_path / "old.tar"
    with tarfile.open(path, "w") as tar:
        for name, content in {
            "one/layer.tar": LAYERS[0],
            f"{sha(config)}.json": config,
            "manifest.json": manifest,
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        member = tarfile.TarInfo("two/layer.tar")
        member.type, member.linkname = tarfile.SYMTYPE, "../one/layer.tar"
        tar.addfile(member)
    image = opened(path)
    assert image.reader(image.layers[1], budget()).read(512) == LAYERS[0][:512]


def test_the_history_gives_each_layer_its_command(tmp_path):
    history = [{"created_by": "ADD a"}, {"created_by": "ENV b", "empty_layer": True}, {"created_by": "RUN c"}]
    assert [one.command for one in opened(docker_image(tmp_path / "i.tar", LAYERS, history=history)).layers] == [
        "ADD a",
        "RUN c",
    ]
    assert [one.command for one in opened(docker_image(tmp_path / "j.tar", LAYERS, history=history[:1])).layers] == [
        "",
        "",
    ]


def test_the_image_of_this_platform_is_taken_and_attestations_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    both = {}
    manifests = []
    for architecture in ("amd64", "arm64", "unknown"):
        parts = oci_parts(LAYERS, env={"FOR": architecture})
        both |= parts
        manifests += [
            {**one, "platform": {"architecture": architecture}} for one in json.loads(parts["index.json"])["manifests"]
        ]
    both["index.json"] = json.dumps({"manifests": manifests}).encode()
    assert opened(write_tar(tmp_path / "i.tar", both)).config["config"]["Env"] == ["FOR=amd64"]
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(DataError, match=r"2 images .amd64, arm64., not exactly one for riscv64"):
        opened(tmp_path / "i.tar")


def refused(tmp_path, parts, match):
    path = parts if not isinstance(parts, dict) else write_tar(tmp_path / "x.tar", parts)
    with pytest.raises(DataError, match=match) as raised:
        opened(path)
    assert "\n" not in str(raised.value)


def test_files_that_are_no_image(tmp_path):
    for number, content in enumerate((b"", b"x" * 2000, b"\x1f\x8b broken", b"\x28\xb5\x2f\xfd broken")):
        path = tmp_path / f"{number}.tar"
        path.write_bytes(content)
        refused(tmp_path, path, "truncated or damaged|cannot be read")
    refused(tmp_path, {"a": b"1"}, "neither manifest.json nor index.json")
    with pytest.raises(MissingError, match="does not exist"):
        opened(tmp_path / "nothing.tar")


@pytest.mark.parametrize("cut", [1024, 1024 + 7, 1536 + 100])
def test_an_archive_that_is_cut_before_its_manifest_is_called_cut(tmp_path, cut):
    whole = write_tar(tmp_path / "x.tar", {"a": b"1", "b": b"2", "manifest.json": b"[]"})
    whole.write_bytes(whole.read_bytes()[:cut])
    refused(tmp_path, whole, "truncated or damaged")


def test_an_archive_that_is_cut_after_its_manifest_says_what_is_missing(tmp_path):
    whole = write_tar(tmp_path / "x.tar", {"manifest.json": b'[{"Config": "c.json", "Layers": []}]', "c.json": b"{}"})
    whole.write_bytes(whole.read_bytes()[:1024])
    refused(tmp_path, whole, "truncated or damaged at byte 1,024, and its part 'c.json' is missing")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"[1]",
        b'[{"Config": 1, "Layers": []}]',
        b'[{"Config": "x", "Layers": [1]}]',
        b"[" * 100_000,
    ],
)
def test_a_damaged_manifest(tmp_path, text):
    refused(tmp_path, {"manifest.json": text}, "manifest|JSON|no image")


def test_two_images_in_one_file(tmp_path):
    refused(tmp_path, {"manifest.json": b"[{}, {}]"}, "has 2 images: save one")


def test_a_configuration_with_another_digest_is_not_believed(tmp_path):
    name = f"blobs/sha256/{'0' * 64}"
    manifest = json.dumps([{"Config": name, "Layers": []}]).encode()
    refused(tmp_path, {name: config_of([]), "manifest.json": manifest}, "its digest does not match")


def test_layers_and_digests_of_other_numbers(tmp_path):
    manifest = json.dumps([{"Config": "c.json", "Layers": ["a", "b"]}]).encode()
    refused(tmp_path, {"c.json": config_of(LAYERS[:1]), "manifest.json": manifest}, "has 1 layers, and its manifest 2")


def test_a_part_that_occurs_twice(tmp_path):
    path = docker_image(tmp_path / "i.tar", LAYERS)
    with tarfile.open(path, "a") as tar:
        tar.addfile(tarfile.TarInfo("manifest.json"))
    refused(tmp_path, path, "twice")


@pytest.mark.parametrize("digest", ["sha256:../../../../etc/passwd", "sha256:" + "g" * 64, "md5:00", 1, None])
def test_a_digest_that_is_none_names_no_file(tmp_path, digest):
    parts = {"index.json": json.dumps({"manifests": [{"digest": digest}]}).encode()}
    refused(tmp_path, parts, "no sha256 digest")


def test_a_blob_that_is_a_link_out_of_the_folder_is_not_read(tmp_path):
    folder = oci_folder(tmp_path / "layout", LAYERS)
    blob = folder / "blobs/sha256" / sha(LAYERS[0])
    outside = tmp_path / "outside"
    outside.write_bytes(LAYERS[0])
    blob.unlink()
    blob.symlink_to(outside)
    image = opened(folder)
    with pytest.raises(DataError, match="has no part"):
        image.reader(image.layers[0], budget())


def test_an_index_that_names_itself_ends(tmp_path):
    index = json.dumps(
        {"manifests": [{"digest": f"sha256:{'0' * 64}", "mediaType": "application/vnd.oci.image.index.v1+json"}]}
    )
    refused(
        tmp_path,
        {"index.json": index.encode(), f"blobs/sha256/{'0' * 64}": index.encode()},
        "its digest does not match",
    )
