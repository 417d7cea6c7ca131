"""The figures of a release difference: what they show, and that every text of an image is escaped."""

import re

import pytest

from pratique import figures
from pratique.release.open_difference import Asked, compare_paths
from support.made_images import docker_image, dpkg_status, file, layer

EVIL = '<img src=x onerror="alert(1)">'


@pytest.fixture
def difference(tmp_path):
    before = [layer(file("/x", "1"), file("/var/lib/dpkg/status", dpkg_status(zlib="1.2", bash="1")))]
    after = [
        layer(
            file("/x", "22"), file(f"/{EVIL}", ""), file("/var/lib/dpkg/status", dpkg_status(zlib="1.1", **{EVIL: "1"}))
        )
    ]
    docker_image(tmp_path / "a.tar", before, env={"A": "1", "TOKEN": "hunter1"}, history=[{"created_by": EVIL}])
    docker_image(tmp_path / "b.tar", after, env={"A": EVIL, "TOKEN": "hunter2"}, history=[{"created_by": EVIL}])
    return compare_paths(str(tmp_path / "a.tar"), str(tmp_path / "b.tar"), Asked(20))


@pytest.fixture
def same(tmp_path):
    docker_image(tmp_path / "a.tar", [layer(file("/x", "1"))])
    return compare_paths(str(tmp_path / "a.tar"), str(tmp_path / "a.tar"), Asked(20))


PANELS = ["difference_banner", "package_changes", "configuration_changes", "file_changes"]


@pytest.mark.parametrize("name", PANELS)
def test_every_text_of_an_image_is_escaped_and_no_secret_is_shown(difference, name):
    panel = getattr(figures, name)(difference)
    assert "<img" not in panel.html
    assert "hunter" not in panel.html + panel.text
    assert panel.text


def test_downgrades_come_first_and_are_marked(difference):
    rows = re.findall(
        r'<tr class="(\w*)"><th scope="row"><strong>(.*?)</strong>', figures.package_changes(difference).html
    )
    assert rows[0] == ("worse", "zlib")
    assert "▼" in figures.difference_banner(difference).html


@pytest.mark.parametrize(("name", "text"), [
    ("difference_banner", "the same"),
    ("package_changes", "No package and no runtime differs."),
    ("configuration_changes", "No key differs."),
    ("file_changes", "No file differs."),
    ("layer_sizes", "All layers are the same, so none was read."),
])  # fmt: skip
def test_equal_releases_say_so(same, name, text):
    chart = getattr(figures, name)(same)
    shown = chart.text if name != "layer_sizes" else chart.layout.annotations[0].text
    assert text in shown


def test_layers_are_bars_with_their_sizes(difference):
    chart = figures.layer_sizes(difference)
    assert [trace.name for trace in chart.data] == ["only before", "only after"]
    assert all("<img" not in text for text in chart.layout.yaxis.ticktext)
    assert chart.text.count("\n") == 1


def test_files_can_be_left_as_a_number(difference):
    listed, counted = (figures.file_changes(difference, listed=listed) for listed in (True, False))
    assert "/x" in listed.text
    assert "changed /x" not in counted.text
    assert "2 files of no package not listed" in counted.html
