"""`pratique diff`: what it prints, its exit status, its JSON, and the bill of materials."""

import json

import pytest

from pratique.cli import main
from support.made_images import docker_image, dpkg_status, file, layer

STATUS = "/var/lib/dpkg/status"
LAYERS = {
    "old": [layer(file(STATUS, dpkg_status(zlib="1.2", bash="5.1")))],
    "new": [layer(file(STATUS, dpkg_status(zlib="1.1", bash="5.2")))],
}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name, layers in LAYERS.items():
        docker_image(tmp_path / f"{name}.tar", layers)

    def done(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["diff", *arguments])
        return ended.value.code, *capsys.readouterr()

    return done


def test_the_sentence_comes_first_and_downgrades_before_the_rest(run):
    code, out, err = run("old.tar", "new.tar")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "base not known; 1 package up, 1 ▼ down; ±0 B in 1 of 1 layer"
    assert [line.split() for line in lines[3:5]] == [
        ["▼", "down", "deb", "zlib", "1.2", "→", "1.1"],
        ["▲", "up", "deb", "bash", "5.1", "→", "5.2"],
    ]


@pytest.mark.parametrize(("names", "status"), [(("old", "old"), 0), (("old", "new"), 1)])
def test_the_exit_status_tells_whether_they_differ_only_when_asked(run, names, status):
    paths = [f"{name}.tar" for name in names]
    assert run(*paths, "--exit-code")[0] == status
    assert run(*paths)[0] == 0


def test_what_was_not_read_is_exit_status_2(run, tmp_path):
    docker_image(tmp_path / "cut.tar", [LAYERS["old"][0][:512]])
    docker_image(tmp_path / "none.tar", [layer()])
    code, out, _ = run("none.tar", "cut.tar", "--exit-code")
    assert code == 2
    assert "not read" in out


def test_the_json_is_complete(run):
    code, out, _ = run("old.tar", "new.tar", "--json", "--exit-code")
    found = json.loads(out)
    assert (code, found["exit_status"]) == (1, 1)
    assert [*found] == [
        "service", "sentence", "exit_status", "before", "after", "base", "runtimes", "packages", "configuration", "notes", "files",
        "noise", "findings",
    ]  # fmt: skip
    assert found["packages"][0] == {
        "kind": "deb", "name": "zlib", "change": "down",
        "before": {"version": "1.2", "architecture": "amd64", "purl": "pkg:deb/debian/zlib@1.2?arch=amd64"},
        "after": {"version": "1.1", "architecture": "amd64", "purl": "pkg:deb/debian/zlib@1.1?arch=amd64"},
    }  # fmt: skip


@pytest.mark.parametrize(("side", "version"), [("before", "1.2"), ("after", "1.1")])
def test_the_bill_of_materials_of_either_side(run, tmp_path, side, version):
    run("old.tar", "new.tar", "--sbom", "bom.json", "--sbom-of", side)
    bill = json.loads((tmp_path / "bom.json").read_text())
    assert {one["name"]: one["version"] for one in bill["components"]}["zlib"] == version


@pytest.mark.parametrize(("words", "status", "message"), [
    (("old.tar",), 64, "only one path, 'old.tar'"),
    (("old.tar", "nothing.tar"), 66, "'nothing.tar' does not exist"),
    (("shop", "r1", "r2"), 64, "no service file here"),
    (("folder", "folder"), 64, "no service 'folder': if it is a directory or a saved image, write ./folder"),
    (("old.tar", "new.tar", "--budget", "0"), 64, "a budget of 0 s"),
    (("old.tar", "./"), 64, "is an image, and '.' a directory"),
])  # fmt: skip
def test_wrong_use_is_one_line(run, words, status, message):
    code, out, err = run(*words)
    assert code == status
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
