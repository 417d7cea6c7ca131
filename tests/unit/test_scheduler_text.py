"""Paths as systemd reads them back from a unit file: lines are joined after a backslash, space at the end is cut off, %% is %."""

import re

import pytest

from pratique.scheduler_text import unit_path


def read_back(unit, key):
    joined = re.sub(r"\\\n", " ", unit)
    (value,) = re.findall(rf"^{key}=(.*)$", joined, re.MULTILINE)
    return value.strip().replace("%%", "%")


@pytest.mark.parametrize(
    "path", ["/srv/shop", "/srv/100 %n", "/srv/a\\b", "/srv/ends with\\", "/srv/ends with a space "]
)
def test_a_path_is_read_back_as_it_was(path):
    unit = f"WorkingDirectory={unit_path(path)}\nType=oneshot\n"
    assert read_back(unit, "WorkingDirectory").removesuffix("/") == path
    assert read_back(unit, "Type") == "oneshot"
