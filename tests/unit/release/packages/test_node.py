"""Node's packages and the interpreter."""

import pytest

from pratique.release.packages import kind_of, read_facts

PATH = "/app/node_modules/@babel/core/package.json"


def test_packages_with_and_without_a_scope():
    (one,) = read_facts("npm", PATH, b'{"name": "@babel/core", "version": "7.1.0"}').packages
    assert (one.full_name, one.group, one.name, one.version) == ("@babel/core", "@babel", "core", "7.1.0")
    assert kind_of(PATH) == kind_of("/app/node_modules/a/node_modules/b/package.json") == "npm"


@pytest.mark.parametrize(
    "path", ["/app/package.json", "/app/node_modules/a/test/package.json", "/app/node_modules/@b/package.json"]
)
def test_other_files_are_no_packages(path):
    assert kind_of(path) == ""


def test_the_interpreter():
    text = b"#define NODE_MAJOR_VERSION 20\n#define NODE_MINOR_VERSION 11\n#define NODE_PATCH_VERSION 1\n"
    (one,) = read_facts("npm", "/usr/local/include/node/node_version.h", text).packages
    assert (one.kind, one.name, one.version) == ("runtime", "Node", "20.11.1")


@pytest.mark.parametrize("content", [b'{"type": "module"}', b'{"name": 1}', b"[]", b'{"name": "a"}'])
def test_a_marker_is_no_package(content):
    found = read_facts("npm", PATH, content)
    assert (found.packages, found.unread) == ((), ())


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_damaged_json_is_a_finding(content):
    assert read_facts("npm", PATH, content).unread
