"""Imports are declared, declared packages are used, and everything that is fetched has one version."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = {canonicalize_name(Requirement(text).name) for text in PROJECT["project"]["dependencies"]}
DEV = {canonicalize_name(Requirement(text).name) for text in PROJECT["project"]["optional-dependencies"]["dev"]}
NOT_IMPORTED = {
    "ipykernel": "runs the notebooks, started by its command",
    "jupyterlab": "people open the notebooks in it",
    "check-jsonschema": "checks the files of schedules, started by its command",
    "codespell": "checks spelling, a command of make check",
    "coverage": "pytest-cov measures with it; its settings are in pyproject.toml",
    "mypy": "checks types, a command of make check",
    "nbstripout": "keeps outputs out of committed notebooks, a command of make check",
    "pandas-stubs": "types for mypy",
    "pre-commit": "runs the checks before a commit",
    "pytest-cov": "a plugin of pytest",
    "pytest-rerunfailures": "a plugin of pytest",
    "pytest-timeout": "a plugin of pytest",
    "pytest-xdist": "a plugin of pytest",
    "ruff": "lints and formats, a command of make check",
    "scipy-stubs": "types for mypy",
    "tzdata": "zoneinfo reads time zones from it where the system has none",
    "types-defusedxml": "types for mypy",
    "types-psutil": "types for mypy",
    "types-pyyaml": "types for mypy",
    "validate-pyproject": "checks pyproject.toml, a command of make check",
    "zensical": "builds the documentation, a command of make docs",
}
"""Declared without an import in this repository, each with its reason."""
OWN = {
    "pratique",
    "support",
    "contract",
    "faults",
    "benchmarks",
    "tools",
    "tests",
    "load",
    "demo_influxdb",
    "demo_ports",
    "sitecustomize",
}
IMAGE = re.compile(r"^\s*(?:FROM|ARG BASE=|-?\s*image:)\s*[\"']?([^\s\"']+)", re.MULTILINE)
LOCAL_IMAGES = ("${BASE}", "${PRATIQUE_IMAGE:-pratique:local}")
"""Names of images that are built here, or that an argument above the line gives."""


def sources_of(file):
    if file.suffix == ".ipynb":
        for cell in json.loads(file.read_text())["cells"]:
            if cell["cell_type"] == "code":
                yield "".join(cell["source"])
    else:
        yield file.read_text()


def imported_by(*folders):
    """The distributions that the files below some folders import, each with one such file; inner imports count."""
    known = packages_distributions()
    found = {}
    for folder in folders:
        for file in [path for kind in ("*.py", "*.ipynb") for path in sorted((ROOT / folder).rglob(kind))]:
            for node in [node for source in sources_of(file) for node in ast.walk(ast.parse(source))]:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
                for name in {name.partition(".")[0] for name in names} - sys.stdlib_module_names - OWN:
                    found.setdefault(canonicalize_name(known.get(name, [name])[0]), file.relative_to(ROOT))
    return found


@pytest.mark.slow
def test_every_import_of_the_library_and_its_notebooks_is_a_runtime_dependency():
    found = imported_by("lib", "notebooks", "runbooks")
    assert {name: str(file) for name, file in found.items() if name not in RUNTIME} == {}


@pytest.mark.slow
def test_every_import_of_tests_and_tools_is_declared():
    found = imported_by("tests", "tools")
    assert {name: str(file) for name, file in found.items() if name not in RUNTIME | DEV} == {}


@pytest.mark.slow
def test_the_sample_service_needs_the_standard_library_only():
    assert imported_by("examples/shop/releases") == {}
    assert imported_by("examples").keys() - {"airflow"} <= RUNTIME


@pytest.mark.slow
def test_every_runtime_dependency_is_imported_or_has_a_reason():
    used = set(imported_by("lib", "notebooks", "runbooks"))
    assert RUNTIME - used - NOT_IMPORTED.keys() == set()


@pytest.mark.slow
def test_every_development_dependency_is_imported_or_has_a_reason():
    assert DEV - set(imported_by("tests", "tools")) - NOT_IMPORTED.keys() == set()
    assert not DEV & RUNTIME


@pytest.mark.slow
def test_no_reason_is_left_over():
    used = set(imported_by("lib", "notebooks", "runbooks", "tests", "tools"))
    assert {name for name in NOT_IMPORTED if name not in RUNTIME | DEV} == set()
    assert NOT_IMPORTED.keys() & used <= {"ipykernel", "coverage"}


def test_the_build_backend_has_one_version_which_the_constraints_name():
    [backend] = map(Requirement, PROJECT["build-system"]["requires"])
    [pin] = backend.specifier
    assert pin.operator == "=="
    assert f"{backend.name}=={pin.version}" in (ROOT / "constraints.txt").read_text().splitlines()


def test_constraints_name_exactly_one_version_each():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []


def image_files():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [
        name for name in names if Path(name).name.startswith("Dockerfile") or Path(name).suffix in {".yaml", ".yml"}
    ]


@pytest.mark.parametrize("name", image_files())
def test_every_image_is_named_by_its_digest(name):
    images = [found for found in IMAGE.findall((ROOT / name).read_text()) if found not in LOCAL_IMAGES]
    assert [image for image in images if not re.search(r"@sha256:[0-9a-f]{64}$", image)] == []
