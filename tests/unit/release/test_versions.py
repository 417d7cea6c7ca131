"""The order of versions: cases of each package manager, and the properties of an order."""

import shutil
import subprocess

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pratique.release.versions import SCHEMES, compare_versions

CASES = [
    ("deb", "1.0~rc1-1", "1.0-1"),
    ("deb", "9.9-1", "1:0.1-1"),
    ("deb", "2.36-9", "2.36-9+deb12u4"),
    ("apk", "1.2.3-r1", "1.2.3-r10"),
    ("apk", "1.2_rc1", "1.2"),
    ("rpm", "5.2.15-1.fc39", "5.2.15-3.fc39"),
    ("rpm", "2.0-1", "1:1.0-1"),
    ("pypi", "1.0rc1", "1.0"),
    ("pypi", "1.0", "1.0.post1"),
    ("npm", "1.0.0-rc.1", "1.0.0"),
    ("npm", "1.9.0", "1.10.0"),
    ("maven", "1.0-SNAPSHOT", "1.0"),
    ("maven", "5.1.2.Final", "5.1.10.Final"),
    ("runtime", "21.0.4+7", "21.0.10+1"),
    ("runtime", "1.8.0_422", "1.8.0_432"),
]


@pytest.mark.parametrize(("kind", "low", "high"), CASES)
def test_the_order_of_each_package_manager(kind, low, high):
    assert compare_versions(kind, low, high) == 1
    assert compare_versions(kind, high, low) == -1
    assert compare_versions(kind, low, low) == 0


@pytest.mark.parametrize("kind", SCHEMES)
@pytest.mark.parametrize("text", ["", "1" * 5000, "٣.1", "\x00", "-", ":", "a b c"])
def test_what_is_no_version_is_no_error(kind, text):
    assert compare_versions(kind, text, "1.0") in {None, -1, 0, 1}
    assert compare_versions(kind, "", "1.0") is None


versions = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}(-[0-9]{1,2})?", fullmatch=True)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SCHEMES)), versions, versions, versions)
def test_it_is_an_order(kind, one, two, three):
    assert compare_versions(kind, one, one) in {0, None}
    forth, back = compare_versions(kind, one, two), compare_versions(kind, two, one)
    assume(forth is not None)
    assert forth == -back
    assume(compare_versions(kind, two, three) is not None)
    if forth == compare_versions(kind, two, three) == 1:
        assert compare_versions(kind, one, three) == 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("dpkg") is None, reason="this machine has no dpkg")
@settings(max_examples=30, deadline=None)
@given(*[st.from_regex(r"[0-9]{1,2}(\.[0-9a-z]{1,3}){0,2}(~rc[0-9])?(-[0-9]{1,2}(\+b[0-9])?)?", fullmatch=True)] * 2)
def test_debian_s_order_is_that_of_dpkg(one, other):
    below = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0
    assert (compare_versions("deb", one, other) == 1) is below
