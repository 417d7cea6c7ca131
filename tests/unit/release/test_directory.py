"""A release directory: its digest changes with its content and executable bits, and with nothing else."""

import errno
import hashlib
import os
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.config import RuntimeSettings
from pratique.errors import DataError, DeniedError, MissingError, UsageError
from pratique.release import Release, digest_of, load_release

FILES = {"app.py": b"print(1)\n", "conf/a.json": b"{}", "conf/b.json": b""}
SETTINGS = RuntimeSettings(command=("{dir}/app.py", "{port}"), env={"KEY": "env:SHOP_KEY", "PASSWORD": "in clear"})
names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: name not in {".", "..", "__pycache__"} and len(name.encode()) < 100
)


def write(folder, files=FILES):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture
def release(tmp_path):
    return write(tmp_path / "releases" / "r1")


def test_the_digest_follows_its_definition(release):
    """Compute the digest with coreutils: one line per file with length of name, name, executable bit, sha256."""
    script = """for f in app.py conf/a.json conf/b.json; do
        printf '%s:%s - %s\\n' ${#f} $f $(sha256sum <$f | cut -d' ' -f1); done | sha256sum | cut -d' ' -f1"""
    expected = subprocess.run(["bash", "-c", script], cwd=release, capture_output=True, text=True, check=True).stdout
    assert digest_of(release) == f"sha256:{expected.strip()}"


def test_a_copy_has_the_same_digest_whatever_its_times_and_modes(release, tmp_path):
    copy = write(tmp_path / "copy", dict(reversed(FILES.items())))
    os.utime(copy / "app.py", (0, 0))
    (copy / "app.py").chmod(0o640)
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "app.pyc").write_bytes(b"written when it ran")
    assert digest_of(copy) == digest_of(release)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: (d / "app.py").write_bytes(b"print(2)\n"),
        lambda d: (d / "app.py").chmod(0o755),
        lambda d: (d / "app.py").rename(d / "main.py"),
        lambda d: (d / "conf/b.json").rename(d / "b.json"),
        lambda d: (d / "conf/c.json").write_bytes(b""),
        lambda d: (d / "conf/b.json").unlink(),
        lambda d: (d / ".hidden").write_bytes(b""),
    ],
)
def test_any_change_changes_the_digest(release, change):
    before = digest_of(release)
    change(release)
    assert digest_of(release) != before


@given(
    st.dictionaries(names, st.binary(max_size=50), max_size=4),
    st.dictionaries(names, st.binary(max_size=50), max_size=4),
)
def test_two_directories_have_the_same_digest_only_if_they_are_equal(tmp_path_factory, left, right):
    folders = [write(tmp_path_factory.mktemp("release"), files) for files in (left, right)]
    assert (digest_of(folders[0]) == digest_of(folders[1])) == (left == right)


def test_a_file_name_that_is_not_utf8_is_digested(release):
    (release / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    assert digest_of(release).startswith("sha256:")


@pytest.mark.parametrize("target", ["app.py", "conf", "nowhere"])
def test_a_link_is_refused(release, target):
    (release / "link").symlink_to(target)
    with pytest.raises(DataError, match=r"contains 'link', which is not a regular file"):
        digest_of(release)


def test_a_named_pipe_is_refused(release):
    os.mkfifo(release / "pipe")
    with pytest.raises(DataError, match="contains 'pipe'"):
        digest_of(release)


def test_a_file_that_cannot_be_read_is_an_error(release, monkeypatch):
    def refuse(file, _):
        raise PermissionError(errno.EACCES, "Permission denied", file.name)

    monkeypatch.setattr(hashlib, "file_digest", refuse)
    with pytest.raises(DeniedError, match=r"app\.py.*Permission denied"):
        digest_of(release)


def test_a_release_has_its_command_and_references(release, tmp_path):
    found = load_release("shop", "r1", SETTINGS, tmp_path)
    assert found == Release("shop", "r1", digest_of(release), str(release), SETTINGS.command, SETTINGS.env)
    assert "in clear" not in repr(found)


def test_the_error_for_an_unknown_revision_lists_the_known_ones(release, tmp_path):
    write(tmp_path / "releases" / "r2")
    with pytest.raises(MissingError, match=r"no release 'r9' of 'shop'.*: choose one of r1, r2"):
        load_release("shop", "r9", SETTINGS, tmp_path)


def test_a_folder_without_releases_is_an_error(tmp_path):
    with pytest.raises(MissingError, match="there is no release yet"):
        load_release("shop", "r1", SETTINGS, tmp_path)


@pytest.mark.parametrize("revision", ["../r1", "r1/..", "", ".", "r 1", "-r", "r\n1"])
def test_a_revision_that_could_leave_the_folder_is_refused(release, tmp_path, revision):
    with pytest.raises(UsageError, match=r"is not a name|is missing"):
        load_release("shop", revision, SETTINGS, tmp_path)


def test_a_release_without_a_command_is_refused(release, tmp_path):
    with pytest.raises(UsageError, match=r"services\.shop\.runtime\.command is empty"):
        load_release("shop", "r1", RuntimeSettings(), tmp_path)
