"""Python's packages and the interpreter."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from pratique.release.packages import kind_of, read_facts
from pratique.release.packages.python import normalized

SITE = "/usr/local/lib/python3.12/site-packages"


def test_a_package_and_its_files():
    path = f"{SITE}/Flask_Cors-4.0.dist-info/METADATA"
    assert kind_of(path) == "pypi"
    (one,) = read_facts("pypi", path, b"Metadata-Version: 2.1\nName: Flask_Cors\nVersion: 4.0\n\nName: text\n").packages
    assert (one.name, one.version) == ("flask-cors", "4.0")
    record = f"{SITE}/Flask_Cors-4.0.dist-info/RECORD"
    ((name, hashes),) = read_facts("pypi", record, b'flask_cors/a.py,sha256=x,1\n"../../../bin/f,x",,\n').owned
    assert name == "flask-cors"
    assert set(hashes) == {hash(f"{SITE}/flask_cors/a.py"), hash("/usr/local/bin/f,x")}


def test_packages_inside_of_packages_are_not_installed():
    assert kind_of(f"{SITE}/setuptools/_vendor/wheel-0.43.dist-info/METADATA") == ""


def test_the_interpreter():
    path = "/usr/local/include/python3.12/patchlevel.h"
    assert kind_of(path) == "pypi"
    (one,) = read_facts("pypi", path, b'#define PY_VERSION      "3.12.4"\n').packages
    assert (one.kind, one.name, one.version) == ("runtime", "Python", "3.12.4")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"Version: 1\n", b"Name:\n"])
def test_metadata_without_a_name_is_a_finding(content):
    assert read_facts("pypi", f"{SITE}/a-1.dist-info/METADATA", content).unread


@pytest.mark.slow
def test_the_packages_of_this_environment_are_those_of_pip():
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "list", "--format", "freeze", "--exclude-editable", "--disable-pip-version-check"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    folder = Path(sysconfig.get_path("purelib"))
    ours = {}
    for path in folder.glob("*-info/METADATA"):
        for one in read_facts("pypi", str(path), path.read_bytes()).packages:
            ours[one.name] = one.version
    expected = {normalized(name): version for name, _, version in (line.partition("==") for line in listed)}
    assert {name: version for name, version in ours.items() if name != "pratique"} == expected


@pytest.mark.parametrize("content", [b"a" * 200_000, b'"' + b"a" * 200_000])
def test_a_record_that_is_no_csv_is_a_finding(content):
    assert read_facts("pypi", f"{SITE}/a-1.dist-info/RECORD", content).unread
