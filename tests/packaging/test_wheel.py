"""The wheel on its own: with the runtime dependencies only, in an empty folder, for a user who is not root."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.kernel, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
NOBODY = 65534
FORMAT = '$remote_addr - - [$time_local] "$request" $status $body_bytes_sent $request_time $revision'
LINE = '10.0.0.1 - - [20/Nov/2026:12:{minute:02d}:{second:02d} +0000] "GET /cart HTTP/1.1" 200 512 0.012 {revision}\n'
APP = "from http.server import test\nimport sys\ntest(port=int(sys.argv[1]), bind='127.0.0.1')\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run(build, check=True, env=os.environ | {"PIP_CONSTRAINT": str(ROOT / "constraints.txt")})
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def home():
    """A folder that another user can enter; pytest's own folders are closed to them."""
    with tempfile.TemporaryDirectory(prefix="whl-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "work").mkdir()
        if os.geteuid() == 0:
            os.chown(folder / "work", NOBODY, NOBODY)
        yield folder


@pytest.fixture(scope="module")
def environment(wheel, home):
    """A virtual environment with the wheel and the runtime dependencies that its metadata names."""
    venv.create(home / "venv", with_pip=False)
    for name in dependencies(wheel):
        install(name, home / "venv")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site_packages(home / "venv"))
    return home / "venv"


@pytest.fixture(scope="module")
def pratique(environment, home):
    """Run `pratique` as a user who is not root, in an empty folder."""
    script = home / "pratique"
    script.write_text(f"#!{environment}/bin/python\nfrom pratique.cli import main\nmain()\n")
    script.chmod(0o755)
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    env = {"PATH": f"{environment}/bin:/usr/bin:/bin", "HOME": str(home / "work"), "LANG": "C.UTF-8"}

    def run(*arguments, status=0):
        done = subprocess.run(
            [*user, script, *arguments], cwd=home / "work", env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, (
            f"pratique {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    return run


def site_packages(prefix):
    return prefix / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def dependencies(wheel):
    """Every distribution that the wheel needs at run time, directly or not."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        waiting = [
            (line, "") for line in re.findall(r"^Requires-Dist: (.*)$", archive.read(name).decode(), re.MULTILINE)
        ]
    found = set()
    while waiting:
        text, extra = waiting.pop()
        requirement = Requirement(text)
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in found or (requirement.marker and not requirement.marker.evaluate({"extra": extra})):
            continue
        found.add(key)
        for each in {"", *requirement.extras}:
            waiting += [(line, each) for line in distribution(requirement.name).requires or ()]
    return sorted({name for name, _ in found})


def install(name, prefix):
    """Copy an installed distribution into another environment, without its scripts."""
    for file in distribution(name).files:
        source = Path(file.locate()).resolve()
        inside = source.relative_to(Path(sys.prefix).resolve())
        if inside.parts[0] == "bin" or not source.is_file():
            continue
        target = prefix / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        link(source, target)


def link(source, target):
    try:
        target.hardlink_to(source)
    except FileExistsError:
        return
    except OSError:  # another file system
        shutil.copyfile(source, target)


def test_the_wheel_ships_notebooks_runbooks_and_the_reference(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    shipped = {
        f"pratique/{folder}/{path.name}"
        for folder in ("notebooks", "runbooks")
        for path in (ROOT / folder).glob("*.ipynb")
    }
    assert {"pratique/notebooks/canary_report.ipynb", "pratique/runbooks/release.ipynb"} <= shipped <= names
    assert {"pratique/config/reference.toml", "pratique/py.typed"} <= names
    assets = {path.relative_to(ROOT / "lib").as_posix() for path in (ROOT / "lib/pratique/report/assets").iterdir()}
    assert assets <= names


def test_no_test_dependency_is_installed(environment, wheel):
    names = dependencies(wheel)
    assert {"pydantic", "deltalake", "jupyterlab"} <= set(names)
    assert not {"pytest", "hypothesis", "mypy", "ruff", "playwright"} & set(names)
    assert not (site_packages(environment) / "pytest").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_a_user_goes_from_an_empty_folder_to_a_report(pratique, home):
    work = home / "work"
    assert re.fullmatch(r"pratique, version \S+\n", pratique("--version"))
    assert "Usage: pratique" in pratique("--help")
    (work / "releases/r1").mkdir(parents=True)
    (work / "releases/r1/app.py").write_text(APP)
    addresses = [f"--{name}=127.0.0.1:{free_port()}" for name in ("listen", "control", "collector")]
    pratique("init", "shop", "--command", "{python} {dir}/app.py {port}", *addresses)
    assert (work / "pratique.toml").stat().st_uid == NOBODY
    pratique("check", "shop")
    lines = [LINE.format(minute=i // 60, second=i % 60, revision=f"r{1 + i % 2}") for i in range(600)]
    (work / "access.log").write_text("".join(lines))
    given = ["--service", "shop", "--format", "combined", "--log-format", FORMAT, "--revision-from", "revision"]
    assert "600" in pratique("import", "access.log", *given)
    verdict = json.loads(pratique("compare", "shop", "r1", "r2", "--json", status=2))
    assert (verdict["verdict"], verdict["requests"]) == ("continue", {"r1": 300, "r2": 300})
    assert "r2" in pratique("report", "shop", "r1", "r2", "--out", "report", status=2)
    (page,) = (work / "report").rglob("*.html")
    assert "plotly" in page.read_text().lower()
    assert "revision" in pratique("run", "release", "--list")
