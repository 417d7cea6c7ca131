"""`pratique diff` of images of a real engine: what it tells is what dpkg and pip tell inside of the containers."""

import io
import json
import subprocess
import sysconfig
import tarfile
from pathlib import Path

import pytest

from pratique.cli import main
from pratique.release.packages.python import normalized
from support.docker_engine import _base_tar, needs_docker

pytestmark = [needs_docker, pytest.mark.slow]
NAME = "difftest"
SITE = "usr/lib/python3/dist-packages"
PACKAGES = ("pip", "six", "idna", "packaging")
"""Python packages of this environment that the image has; pip lists them."""


def packed(files):
    """A tar of files: path → content."""
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return found.getvalue()


def base_files():
    """dpkg with its database, and pip with a few packages."""
    said = subprocess.run(["ldd", "/usr/bin/dpkg-query"], capture_output=True, text=True, check=True).stdout
    libraries = [word for word in said.split() if word.startswith("/")]
    paths = ["/usr/bin/dpkg-query", "/var/lib/dpkg/status", "/etc/os-release", *libraries]
    files = {str(Path(path)).lstrip("/"): Path(path).read_bytes() for path in paths}
    folder = Path(sysconfig.get_path("purelib"))
    for one in PACKAGES:
        for found in folder.glob(f"{one}-*.dist-info"):
            for name in ("METADATA", "RECORD"):
                files[f"{SITE}/{found.name}/{name}"] = (found / name).read_bytes()
    for found in (folder / "pip").rglob("*.py"):
        files[f"{SITE}/{found.relative_to(folder)}"] = found.read_bytes()
    return files


@pytest.fixture(scope="module")
def images(engine):
    """Two images on one base: in the second, a package of Debian is lower, one of Python is new, and a file changed."""
    client = engine.client()
    files = base_files()
    with tarfile.open(fileobj=io.BytesIO(_base_tar())) as python:
        whole = io.BytesIO()
        with tarfile.open(fileobj=whole, mode="w") as tar:
            for member in python:
                tar.addfile(member, python.extractfile(member) if member.isreg() else None)
            with tarfile.open(fileobj=io.BytesIO(packed(files))) as more:
                for member in more:
                    if member.name not in python.getnames():
                        tar.addfile(member, more.extractfile(member))
    client.api.import_image_from_data(whole.getvalue(), repository=f"{NAME}-base", tag="1")
    status = files["var/lib/dpkg/status"].decode()
    lower = status.replace("Package: bash\n", "Package: bash\nVersion: 0.1-1\n", 1)
    metadata = "Metadata-Version: 2.1\nName: shop-lib\nVersion: 1.0\n"
    changes = {
        "r1": {"app.txt": "1"},
        "r2": {
            "app.txt": "2",
            "var/lib/dpkg/status": _one_version(lower),
            f"{SITE}/shop_lib-1.0.dist-info/METADATA": metadata,
        },
    }
    for revision, content in changes.items():
        made = {
            "Dockerfile": f"FROM {NAME}-base:1\nCOPY . /\nENV LEVEL={revision} API_TOKEN=hunter-{revision}\n",
            **content,
        }
        context = packed({path: text.encode() for path, text in made.items()})
        client.images.build(fileobj=io.BytesIO(context), custom_context=True, tag=f"{NAME}:{revision}", rm=True)
    yield client
    client.close()


def _one_version(status):
    """The second version of a paragraph is dropped."""
    kept, seen = [], False
    for line in status.splitlines():
        if not line:
            seen = False
        elif line.startswith("Version:"):
            if seen:
                continue
            seen = True
        kept.append(line)
    return "\n".join(kept) + "\n"


@pytest.fixture
def run(engine, images, tmp_path, capsys, monkeypatch):
    docker = f'docker = {{ image = "{NAME}", hosts = ["{engine.host}"] }}'
    (tmp_path / "pratique.toml").write_text(f'[services.shop.runtime]\nkind = "docker"\n{docker}\n')
    monkeypatch.chdir(tmp_path)

    def done(*words):
        with pytest.raises(SystemExit) as ended:
            main(["diff", *words])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return done


def inside(client, revision, *command):
    return client.containers.run(f"{NAME}:{revision}", list(command), remove=True).decode().splitlines()


def test_what_differs_between_two_images_of_an_engine(run):
    code, out, err = run("shop", "r1", "r2", "--json", "--exit-code")
    assert (code, err) == (1, "")
    found = json.loads(out)
    assert found["findings"] == []
    assert [(one["change"], one["kind"], one["name"]) for one in found["packages"]] == [
        ("down", "deb", "bash"),
        ("new", "pypi", "shop-lib"),
    ]
    assert {(one["part"], one["key"], one["before"], one["after"]) for one in found["configuration"]} == {
        ("env", "LEVEL", "r1", "r2"),
        ("env", "API_TOKEN", "(hidden)", "(hidden)"),
    }
    assert found["base"]["same"] is True
    assert [layer["shared"] for layer in found["after"]["layers"]] == [True, False]
    assert "hunter" not in out
    code, out, _ = run("shop", "r1", "r1", "--exit-code")
    assert (code, out.splitlines()[0]) == (0, "the same")


@pytest.mark.parametrize("revision", ["r1", "r2"])
def test_the_packages_are_those_that_dpkg_and_pip_list_inside(run, images, tmp_path, revision):
    run("shop", revision, revision, "--sbom", "bom.json")
    bill = json.loads((tmp_path / "bom.json").read_text())
    assert bill["compositions"][0]["aggregate"] == "complete"
    urls = [one["purl"] for one in bill["components"] if "purl" in one]
    ours = {
        kind: sorted(
            (one["name"], one["version"])
            for one in bill["components"]
            if one.get("purl", "").startswith(f"pkg:{kind}/")
        )
        for kind in ("deb", "pypi")
    }
    listed = inside(images, revision, "dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Package}\t${Version}\n")
    assert ours["deb"] == sorted(tuple(line.split("\t")[1:]) for line in listed if line.startswith("ii"))
    listed = inside(
        images, revision, "python3", "-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check"
    )
    assert ours["pypi"] == sorted(
        (normalized(name), version) for name, _, version in (line.partition("==") for line in listed if "==" in line)
    )
    assert len(urls) == len(set(urls))


def test_a_saved_image_needs_no_engine_and_gives_the_same_answer(run, images, tmp_path):
    for revision in ("r1", "r2"):
        with (tmp_path / f"{revision}.tar").open("wb") as file:
            for piece in images.images.get(f"{NAME}:{revision}").save():
                file.write(piece)
    by_engine = json.loads(run("shop", "r1", "r2", "--json")[1])
    (tmp_path / "pratique.toml").unlink()
    by_file = json.loads(run("r1.tar", "r2.tar", "--json")[1])
    for part in ("packages", "runtimes", "files", "noise", "findings", "configuration"):
        assert by_engine[part] == by_file[part]


def test_an_image_that_is_not_there_is_one_line(run):
    code, out, err = run("shop", "r1", "r9")
    assert (code, out) == (66, "")
    assert err.count("\n") == 1
