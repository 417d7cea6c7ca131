"""Debian's packages: installed ones and others, and images without dpkg."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pratique.release.packages import kind_of, read_facts

STATUS = """Package: bash
Status: install ok installed
Priority: required
Architecture: amd64
Version: 5.2.15-2+b7
Description: a shell
 Version: 9 is no field, because the line is indented

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: half
Status: install ok half-configured
Architecture: all
Version: 1:2~rc1
"""


def read(path, text):
    assert kind_of(path) == "deb"
    return read_facts("deb", path, text.encode())


def test_packages_whose_files_are_there():
    found = read("/var/lib/dpkg/status", STATUS).packages
    assert [(one.name, one.version, one.architecture) for one in found] == [
        ("bash", "5.2.15-2+b7", "amd64"),
        ("half", "1:2~rc1", "all"),
    ]


def test_images_without_dpkg_have_a_file_each():
    found = read("/var/lib/dpkg/status.d/base-files", "Package: base-files\nVersion: 12.4\nArchitecture: amd64\n")
    assert [(one.name, one.version) for one in found.packages] == [("base-files", "12.4")]
    sums = read("/var/lib/dpkg/status.d/base-files.md5sums", "0123  etc/debian_version\n")
    assert [(name, hash("/etc/debian_version") in hashes) for name, hashes in sums.owned] == [("base-files", True)]


def test_files_of_a_package():
    ((name, hashes),) = read("/var/lib/dpkg/info/libc6:amd64.list", "/.\n/lib/libc.so.6\n").owned
    assert name == "libc6"
    assert hash("/lib/libc.so.6") in hashes


@pytest.mark.parametrize(
    "text",
    ["", "\n\n\n", "Package: x\n", "Version: 1\n", ":::\n", "\x00\xff" * 100, "Status:\nPackage: a\nVersion: 1\n"],
)
def test_damaged_text_is_no_error(text):
    assert read("/var/lib/dpkg/status", text).unread == ()


def test_other_files_are_not_read():
    assert kind_of("/srv/status") == ""
    assert kind_of("/var/lib/dpkg/info/bash.postinst") == ""


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="this machine has no dpkg")
def test_the_packages_of_this_machine_are_those_of_dpkg():
    listed = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Package} ${Version} ${Architecture}\n"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    found = read_facts("deb", "/var/lib/dpkg/status", Path("/var/lib/dpkg/status").read_bytes())
    ours = sorted(f"{one.name} {one.version} {one.architecture}" for one in found.packages)
    assert ours == sorted(line[3:] for line in listed if line.startswith("ii"))
