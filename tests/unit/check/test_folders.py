"""A folder can be written, will be created, or is a problem; looking at it changes nothing."""

import os

import pytest

from pratique.check.folders import existing_parent, writable_folder
from pratique.errors import DeniedError, StorageError


def test_a_folder_that_is_there_can_be_written(tmp_path):
    assert writable_folder(tmp_path) == f"{tmp_path} can be written"


def test_a_folder_that_is_missing_is_not_made_by_looking(tmp_path):
    assert writable_folder(tmp_path / "a" / "b") == f"{tmp_path}/a/b will be created"
    assert not list(tmp_path.iterdir())


def test_the_nearest_folder_that_exists_is_found(tmp_path):
    assert existing_parent(tmp_path / "a" / "b") == tmp_path
    assert existing_parent(tmp_path) == tmp_path


def test_a_file_in_the_place_of_a_folder_is_a_problem(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(StorageError, match="a' is not a folder"):
        writable_folder(tmp_path / "a" / "b")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError, match="gone' is not a folder"):
        writable_folder(tmp_path / "gone")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_of_somebody_else_is_a_problem(tmp_path):
    tmp_path.chmod(0o755)
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            writable_folder(tmp_path / "a")
        except DeniedError as error:
            os._exit(0 if "cannot be written by this user" in str(error) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
