"""What differs between two releases, in every part, and what is never claimed when something was not read."""

import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pratique.errors import MissingError, PratiqueError, UsageError
from pratique.release.difference_json import difference_json
from pratique.release.difference_text import sentence, summary_lines
from pratique.release.open_difference import Asked, compare_paths
from pratique.release.sbom import sbom
from support.made_images import (
    device,
    docker_image,
    dpkg_status,
    file,
    folder,
    hard_link,
    jar,
    layer,
    link,
    oci_image,
    python_package,
    rpm_database,
    rpm_header,
    whiteout,
)

SYSTEM = file("/etc/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n')
STATUS = "/var/lib/dpkg/status"
BASE = layer(
    SYSTEM,
    file(STATUS, dpkg_status(openssl="3.0.1", zlib="1.2", old="1")),
    file("/keep", "same"),
    file("/big", "x" * 99),
)


@pytest.fixture
def compare(tmp_path):
    """Compare two images that are given by their layers."""

    def run(before, after, *, configs=({}, {}), asked=None, write=docker_image):
        paths = [tmp_path / "before.tar", tmp_path / "after.tar"]
        for path, layers, one in zip(paths, (before, after), configs, strict=True):
            write(path, layers, **one)
        return compare_paths(*map(str, paths), asked or Asked(30))

    return run


def packages(found):
    return [(one.change, one.package.kind, one.package.full_name) for one in (*found.runtimes, *found.packages)]


def files(found):
    return {one.path: one.change for one in found.files.counting()}


def test_images_with_the_same_layers_are_the_same_and_nothing_is_read(compare, monkeypatch):
    monkeypatch.setattr("pratique.release.sides.read_layer", lambda *_, **__: pytest.fail("a layer was read"))
    found = compare([BASE], [BASE])
    assert (found.exit_status, sentence(found)) == (0, "the same")


def test_every_part_of_a_difference_downgrades_first(compare):
    before = [
        BASE,
        layer(
            file("/app/x.py", "1"), *python_package("Flask", "2.0"), file("/opt/jdk/release", 'JAVA_VERSION="21.0.4"\n')
        ),
    ]
    after = [BASE, layer(
        file(STATUS, dpkg_status(openssl="3.0.2", zlib="1.1", new="1")), file("/app/x.py", "2"), *python_package("Flask", "2.0"),
        file("/opt/jdk/release", 'JAVA_VERSION="21.0.5"\n'),
    )]  # fmt: skip
    found = compare(before, after, configs=({"env": {"A": "1"}}, {"env": {"A": "2"}}))
    assert found.exit_status == 1
    assert packages(found) == [
        ("up", "runtime", "Java"),
        ("down", "deb", "zlib"),
        ("up", "deb", "openssl"),
        ("new", "deb", "new"),
        ("removed", "deb", "old"),
    ]
    assert sentence(found).startswith(
        "base the same; 1 package up, 1 ▼ down, 1 new, 1 removed; Java 21.0.4 → 21.0.5; 1 key; 1 other file; "
    )
    assert sentence(found).endswith(" in 1 of 2 layers")


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_the_same_files_in_another_packing_and_form_are_the_same(tmp_path, compress):
    layers = [BASE, layer(file("/app", "1"))]
    docker_image(tmp_path / "a.tar", layers)
    oci_image(tmp_path / "b.tar", layers, compress=compress)
    assert compare_paths(str(tmp_path / "a.tar"), str(tmp_path / "b.tar"), Asked(30, everything=True)).exit_status == 0


def test_a_file_of_a_shared_layer_that_is_written_again_is_compared_by_content(compare):
    found = compare(
        [BASE, layer(file("/x", ""))], [BASE, layer(file("/x", ""), file("/keep", "same"), file("/big", "y" * 99))]
    )
    assert files(found) == {"/big": "changed"}
    assert found.findings == []


def test_times_alone_are_noise_and_make_nothing_different(compare):
    found = compare([layer(file("/a", "1", mtime=1))], [layer(file("/a", "1", mtime=2))])
    assert (found.exit_status, found.noise()) == (0, {"times": 1})
    assert sentence(found) == "the same, except for noise in 1 file (times 1)"


def test_noise_is_counted_by_its_kinds(compare):
    noisy = [
        "/usr/lib/a/__pycache__/b.pyc",
        "/var/cache/x",
        "/var/log/y",
        "/tmp/z",
        "/etc/ld.so.cache",
        "/root/.cache/w",
    ]
    found = compare([layer(*(file(one, "1") for one in noisy))], [layer(*(file(one, "22") for one in noisy))])
    assert found.noise() == {"bytecode": 1, "cache": 3, "log": 1, "temporary": 1}
    assert found.exit_status == 0
    assert len(difference_json(found)["files"]["changes"]) == 6


def test_kinds_rights_owners_and_links_are_differences(compare):
    before = layer(
        file("/kind", "1"),
        file("/mode", "1"),
        file("/owner", "1"),
        link("/link", "a"),
        folder("/empty"),
        device("/dev/a"),
    )
    after = layer(
        link("/kind", "1"),
        file("/mode", "1", mode=0o4755),
        file("/owner", "1", uid=5),
        link("/link", "b"),
        device("/dev/a"),
        folder("/new"),
    )
    assert files(compare([before], [after])) == {
        "/kind": "type", "/mode": "mode", "/owner": "owner", "/link": "link", "/empty": "removed", "/new": "new",
    }  # fmt: skip


def test_a_file_that_another_layer_hides_does_not_count(compare):
    found = compare([BASE], [BASE, layer(file("/secret", "1")), layer(whiteout("/secret"))])
    assert found.exit_status == 0


def test_files_are_folded_into_their_packages_also_by_merged_folders(compare):
    listed = file("/var/lib/dpkg/info/libc6:amd64.list", "/lib/libc.so.6\n")
    one, other = ([layer(listed, link("/lib", "usr/lib"), file("/usr/lib/libc.so.6", text))] for text in "ab")
    found = compare(one, other)
    assert {name: dict(counts) for name, counts in found.folded_files().items()} == {"deb libc6": {"changed": 1}}
    assert found.other_files() == []


def test_several_versions_of_one_package_are_paired(compare):
    def modules(*versions):
        return layer(*(
            file(f"/app/{'node_modules/x/' * at}node_modules/lodash/package.json", json.dumps({"name": "lodash", "version": one}))
            for at, one in enumerate(versions)
        ))  # fmt: skip

    found = compare([modules("3.0.0", "4.17.20")], [modules("3.0.0", "4.17.21", "5.0.0")])
    assert [(one.change, one.after.version) for one in found.packages] == [("up", "4.17.21"), ("new", "5.0.0")]


def test_a_package_without_a_version_is_compared_by_content_and_says_so(compare):
    found = compare([layer(file("/a.jar", jar(x="1")))], [layer(file("/a.jar", jar(x="2")))])
    assert packages(found) == [("changed", "maven", "a")]
    assert any("no version, compared by content" in line for line in summary_lines(found))


def cut(data):
    return data[: len(data) // 2]


def test_a_cut_layer_claims_neither_the_same_nor_that_files_are_gone(compare):
    whole = layer(file("/a", "1" * 600), file(STATUS, dpkg_status(bash="1")), file("/z", "2" * 9000))
    found = compare([whole], [cut(whole)])
    assert (found.exit_status, found.is_different) == (2, False)
    assert found.files.unknown
    assert sentence(found) == "no difference found, but not everything was read; 1 part not read"
    assert packages(found) == []
    assert compare([cut(whole)], [whole]).exit_status == 2


def test_packages_of_a_database_that_is_not_read_are_not_removed_ones(compare):
    path = "/var/lib/rpm/"
    before = layer(file(f"{path}rpmdb.sqlite", rpm_database(rpm_header("bash", "1", "1"))))
    found = compare([before], [layer(file(f"{path}Packages", b"x" * 100))])
    assert packages(found) == []
    assert [(one.side, one.unread.kind) for one in found.findings] == [("after", "rpm")]
    assert sentence(found).endswith("1 part not read")


def test_another_layer_with_the_same_digest_is_not_believed(tmp_path):
    docker_image(tmp_path / "a.tar", [BASE, layer(file("/a", "1"))])
    config = json.loads(next(_parts(tmp_path / "a.tar", "config")))
    other = layer(file("/evil", "1" * 20_000))
    from support import made_images  # noqa: PLC0415

    saved = made_images.sha
    ids = {other: config["rootfs"]["diff_ids"][0].removeprefix("sha256:")}
    made_images.sha = lambda data: ids.get(data) or saved(data)
    try:
        docker_image(tmp_path / "b.tar", [other, layer(file("/a", "2"))])
    finally:
        made_images.sha = saved
    found = compare_paths(str(tmp_path / "a.tar"), str(tmp_path / "b.tar"), Asked(30))
    assert found.findings
    assert "another layer with this digest" in found.findings[0].unread.reason


def _parts(path, word):
    import tarfile  # noqa: PLC0415

    with tarfile.open(path) as tar:
        for member in tar:
            data = tar.extractfile(member).read()
            if data.startswith(b"{") and b'"rootfs"' in data and word == "config":
                yield data


def test_no_time_is_a_finding_and_no_error(compare):
    layers = [layer(*(file(f"/{number}", str(side * (number == 299))) for number in range(300))) for side in (1, 2)]
    found = compare(layers[:1], layers[1:], asked=Asked(1e-9))
    assert found.exit_status == 2
    assert "the time limit of 1e-09 s was reached" in found.findings[0].unread.reason


def test_a_label_of_the_base_counts_only_with_the_lowest_layer(compare):
    labels = {"org.opencontainers.image.base.name": "debian:12", "org.opencontainers.image.base.digest": "sha256:1"}
    configs = ({"Labels": labels}, {"Labels": labels})
    assert compare([BASE, layer(file("/a"))], [BASE, layer(file("/b"))], configs=configs).base.text == "base the same"
    found = compare([BASE], [layer(SYSTEM, file("/b"))], configs=configs)
    assert (found.base.same, found.base.text) == (False, "base rebuilt")


def test_bases_of_two_systems(compare):
    other = layer(file("/etc/os-release", 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 13"\n'))
    assert compare([BASE], [other]).base.text == "base Debian GNU/Linux 12 → Debian GNU/Linux 13"


def test_secrets_and_hostile_names_appear_nowhere(compare):
    evil = "\x1b[2J<script>"
    found = compare(
        [layer(file("/a", ""))],
        [layer(file(f"/{evil}", ""), file(STATUS, dpkg_status(**{evil: "1\x1b[0m"})))],
        configs=({"env": {"TOKEN": "hunter1"}}, {"env": {"TOKEN": "hunter2"}, "Labels": {evil: evil}}),
    )
    text = "\n".join(summary_lines(found)) + json.dumps(difference_json(found))
    assert "hunter" not in text
    assert "\x1b" not in text
    assert "\\u001b" not in text


def test_the_bill_of_materials_of_a_side(compare):
    side = compare([BASE], [BASE], asked=Asked(30, everything=True)).before
    bill = sbom(side)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert [(one["name"], one.get("purl")) for one in bill["components"]] == [
        ("debian", None),
        ("old", "pkg:deb/debian/old@1?arch=amd64&distro=debian-12"),
        ("openssl", "pkg:deb/debian/openssl@3.0.1?arch=amd64&distro=debian-12"),
        ("zlib", "pkg:deb/debian/zlib@1.2?arch=amd64&distro=debian-12"),
    ]
    references = [one["bom-ref"] for one in bill["components"]]
    assert len(set(references)) == len(references)
    assert bill["compositions"] == [{"aggregate": "complete", "assemblies": ["release"]}]
    assert sbom(side) == bill


def test_the_bill_of_a_side_that_was_not_read_whole_is_incomplete(compare):
    side = compare([BASE[:1500]], [BASE], asked=Asked(30, everything=True)).before
    assert sbom(side)["compositions"][0]["aggregate"] == "incomplete"


def test_directories_are_compared_like_images(tmp_path):
    for name, text in (("r1", "1"), ("r2", "2")):
        place = tmp_path / name
        (place / "lib/a-1.dist-info").mkdir(parents=True)
        (place / "app.py").write_text(text)
        (place / "lib/a-1.dist-info/METADATA").write_text(f"Name: a\nVersion: {text}\n")
    found = compare_paths(str(tmp_path / "r1"), str(tmp_path / "r2"), Asked(30))
    assert sentence(found) == "1 package up; 1 other file; ±0 B"
    assert compare_paths(str(tmp_path / "r1"), str(tmp_path / "r1"), Asked(30)).exit_status == 0


def test_rights_and_owners_of_directories_do_not_count_but_for_the_executable_bit(tmp_path):
    for name, mode in (("r1", 0o644), ("r2", 0o600), ("r3", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("1")
        (tmp_path / name / "a").chmod(mode)
    assert compare_paths(str(tmp_path / "r1"), str(tmp_path / "r2"), Asked(30)).exit_status == 0
    assert files(compare_paths(str(tmp_path / "r1"), str(tmp_path / "r3"), Asked(30))) == {"/a": "mode"}


def test_what_cannot_be_compared_is_refused(tmp_path):
    docker_image(tmp_path / "a.tar", [BASE])
    with pytest.raises(UsageError, match=r"is an image, and .* a directory"):
        compare_paths(str(tmp_path / "a.tar"), str(tmp_path), Asked(30))
    with pytest.raises(MissingError, match="does not exist"):
        compare_paths(str(tmp_path / "nothing.tar"), str(tmp_path), Asked(30))
    with pytest.raises(UsageError, match="budget of 0 s"):
        compare_paths(str(tmp_path), str(tmp_path), Asked(0))


def test_a_hard_link_over_layers_is_the_file_below(compare):
    assert files(compare([BASE], [BASE, layer(file("/keep", "same"), hard_link("/copy", "/keep"))])) == {"/copy": "new"}


def test_a_database_behind_a_link_is_a_finding(compare):
    status = file("/opt/status", dpkg_status(bash="1"))
    hidden = [layer(status, link("/var/lib/dpkg/status", "../../../opt/status"))]
    found = compare([layer(file(STATUS, dpkg_status(bash="1")))], hidden)
    assert packages(found) == []
    assert [(one.side, one.unread.what, one.unread.kind) for one in found.findings] == [("after", STATUS, "deb")]


def test_a_hard_link_to_a_database_does_not_count_its_packages_twice(compare):
    side = compare([layer(file(STATUS, dpkg_status(bash="1")), hard_link("/copy", STATUS))], [BASE]).before
    assert list(side.packages().values()) == [1]


def test_metadata_of_a_python_package_belongs_to_it(compare):
    found = compare([layer(*python_package("Flask_Cors", "1"))], [layer(*python_package("Flask_Cors", "2"))])
    assert [*found.folded_files()] == ["pypi flask-cors"]


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=12)), min_size=1, max_size=4),
    st.sampled_from([bytes, gzip.compress]),
)
def test_damage_anywhere_is_a_finding_or_one_line(tmp_path, places, compress):
    whole = tmp_path / f"{compress.__name__}.tar"
    if not whole.exists():
        docker_image(
            whole,
            [
                layer(
                    SYSTEM, file(STATUS, dpkg_status(a="1")), file("/x.jar", jar(pom=("g", "a", "1"))), link("/l", "x")
                )
            ],
            compress=compress,
        )
    content = bytearray(whole.read_bytes())
    for place, data in places:
        at = int(place * (len(content) - len(data)))
        content[at : at + len(data)] = data
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(content)
    try:
        found = compare_paths(str(whole), str(damaged), Asked(20, everything=True))
    except PratiqueError as error:
        assert "\n" not in str(error)
    else:
        assert difference_json(found)["exit_status"] in {0, 1, 2}
        assert sbom(found.after)
