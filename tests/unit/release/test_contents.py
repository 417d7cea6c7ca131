"""Laying layers upon each other: whiteouts, opaque folders, links, and what a simple model of files says."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.release.bounds import Budget, Deadline, Limits
from pratique.release.contents import Contents
from pratique.release.forward import ForwardReader, Slice
from pratique.release.layers import read_layer
from support.made_images import file, folder, hard_link, layer, link, opaque, whiteout


def contents(*layers, limits=None):
    budget = Budget(limits or Limits(), Deadline(30))
    found = Contents(budget)
    for data in layers:
        reader = ForwardReader(Slice(io.BytesIO(data), 0, len(data)), budget)
        found.apply(read_layer("l", reader, budget, hashed=True))
    return found


def files(found):
    return {path: one.size for path, one in found.entries() if one.kind == "file"}


def test_the_layer_above_wins():
    found = contents(layer(file("/a", "1"), file("/b", "1")), layer(file("/a", "22")))
    assert files(found) == {"/a": 2, "/b": 1}


def test_a_whiteout_hides_a_file_and_a_folder_of_the_layers_below():
    found = contents(layer(file("/a", "1"), file("/d/x", "1"), file("/e", "")), layer(whiteout("/a"), whiteout("/d")))
    assert files(found) == {"/e": 0}


def test_a_whiteout_hides_nothing_of_the_same_layer_in_any_order():
    for members in ((whiteout("/a"), file("/a", "22")), (file("/a", "22"), whiteout("/a"))):
        assert files(contents(layer(file("/a", "1")), layer(*members))) == {"/a": 2}


def test_an_opaque_folder_hides_only_the_layers_below():
    for members in ((opaque("/d"), file("/d/new", "22")), (file("/d/new", "22"), opaque("/d"))):
        assert files(contents(layer(file("/d/old", "1")), layer(*members))) == {"/d/new": 2}


def test_a_file_over_a_folder_removes_its_content_and_a_folder_over_a_folder_keeps_it():
    assert files(contents(layer(file("/d/x", "1")), layer(file("/d", "22")))) == {"/d": 2}
    assert files(contents(layer(file("/d/x", "1")), layer(folder("/d", mtime=9)))) == {"/d/x": 1}


def test_a_folder_that_is_a_link_is_followed_inside_the_image():
    found = contents(layer(folder("/usr/lib"), link("/lib", "usr/lib")), layer(file("/lib/x", "1")))
    assert files(found) == {"/usr/lib/x": 1}
    assert found.entry("/lib/x").size == 1


def test_a_link_that_leads_up_and_out_ends_at_the_root_of_the_image():
    found = contents(layer(link("/out", "../../../../etc"), file("/etc/a", "1")), layer(file("/out/b", "22")))
    assert files(found) == {"/etc/a": 1, "/etc/b": 2}


@pytest.mark.parametrize("links", [[("/a", "a")], [("/a", "b"), ("/b", "a")], [("/a", "/b/.."), ("/b", "/a")]])
def test_links_in_a_circle_are_a_finding(links):
    found = contents(layer(*(link(name, target) for name, target in links), file("/a/x", "1")))
    assert not found.is_whole
    assert "circular" in found.unread[0].reason


@pytest.mark.parametrize("hidden", [opaque("/a/x"), whiteout("/a/x/y")], ids=["opaque", "whiteout"])
def test_what_a_layer_hides_below_a_circle_of_links_is_a_finding(hidden):
    found = contents(layer(link("/a", "b"), link("/b", "a"), file("/kept", "1")), layer(hidden, file("/new", "22")))
    assert files(found) == {"/kept": 1, "/new": 2}
    assert not found.is_whole
    assert "circular" in found.unread[0].reason


def test_a_long_chain_of_links_is_a_finding_and_forty_are_not():
    for number, whole in ((40, True), (41, False)):
        chain = [link(f"/l{at}", f"l{at + 1}") for at in range(number - 1)] + [
            link(f"/l{number - 1}", "end"),
            folder("/end"),
        ]
        found = contents(layer(*chain, file("/l0/x", "1")))
        assert found.is_whole is whole


def test_a_hard_link_is_the_file_itself():
    found = contents(layer(file("/a", "123"), hard_link("/b", "/a")), layer(whiteout("/a")))
    assert files(found) == {"/b": 3}


@pytest.mark.parametrize("target", ["/nothing", "/../../etc/passwd", "/d", "/b"])
def test_a_hard_link_to_no_file_of_the_image_is_a_finding(target):
    found = contents(layer(folder("/d"), hard_link("/b", target)))
    assert not found.is_whole
    assert "hard link" in found.unread[0].reason


def test_implied_folders_count_too():
    deep = layer(*(file(f"/{at}" + "/d" * 200, "") for at in range(10)))
    found = contents(deep, limits=Limits(members=100))
    assert not found.is_whole
    assert "files and folders" in found.unread[0].reason


def test_a_name_that_occurs_twice_in_a_layer_is_a_finding_and_a_folder_is_not():
    found = contents(layer(file("/a", "1"), file("/a", "22"), folder("/d"), folder("/d")))
    assert files(found) == {"/a": 2}
    assert [one.reason for one in found.unread] == ["a name that occurs twice in a layer"]
    assert not found.is_whole


names = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
steps = st.tuples(st.sampled_from(["file", "folder", "hide", "opaque"]), names, st.integers(0, 5))


def expected(layers):
    """A model of files in a dict: path → size, or None for a folder."""
    found = {}

    def remove(path, itself=True):
        for name in [one for one in found if one.startswith(f"{path}/") or (itself and one == path)]:
            del found[name]

    for members in layers:
        for kind, path, _ in members:
            if kind == "hide":
                # a file has nothing below it
                remove(path)
        for kind, path, _ in members:
            if kind == "opaque" and found.get(path, 0) is None:
                remove(path, itself=False)
        for kind, path, size in members:
            if kind in {"hide", "opaque"}:
                continue
            parts = path.split("/")
            for at in range(2, len(parts)):
                above = "/".join(parts[:at])
                if found.get(above, 0) is not None:
                    remove(above)
                    found[above] = None
            if not (kind == "folder" and found.get(path, 0) is None):
                remove(path)
                found[path] = None if kind == "folder" else size
    return found


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(steps, max_size=6), max_size=4))
def test_merging_agrees_with_a_model(layers):
    make = {
        "file": lambda path, size: file(path, "x" * size),
        "folder": lambda path, _: folder(path),
        "hide": lambda path, _: whiteout(path),
        "opaque": lambda path, _: opaque(path),
    }
    found = contents(*(layer(*(make[kind](path, size) for kind, path, size in members)) for members in layers))
    shown = {path: None if one.kind == "folder" else one.size for path, one in found.entries()}
    assert shown == expected(layers)
    assert all("occurs twice" in one.reason for one in found.unread)
