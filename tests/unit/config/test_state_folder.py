"""The state folder is for its owner only, whatever the umask and whoever made it."""

import os
import stat

import pytest

from pratique.config.state_folder import close_state_folder, make_state_folder
from pratique.errors import DeniedError
from support.other_user import NOBODY, needs_root


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_a_new_state_folder_and_those_above_it_are_closed(tmp_path):
    make_state_folder(tmp_path / "var" / "state", tmp_path)
    assert (mode(tmp_path / "var"), mode(tmp_path / "var" / "state")) == (0o700, 0o700)


@pytest.mark.parametrize("wide", [0o755, 0o777, 0o750, 0o701])
def test_an_open_one_is_closed(tmp_path, wide):
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(wide)
    close_state_folder(tmp_path / "state", tmp_path)
    assert mode(tmp_path / "state") == 0o700


def test_the_folder_of_the_service_file_stays_open(tmp_path):
    (tmp_path / "project").mkdir()
    for folder in (tmp_path, tmp_path / "project"):
        folder.chmod(0o755)
        close_state_folder(folder, tmp_path / "project")
        assert mode(folder) == 0o755


@needs_root
def test_a_folder_of_another_user_is_left_alone(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o755)
    os.chown(tmp_path / "state", NOBODY, NOBODY)
    close_state_folder(tmp_path / "state", tmp_path)
    assert mode(tmp_path / "state") == 0o755


def test_a_folder_that_cannot_be_entered_names_its_owner(tmp_path, monkeypatch):
    (tmp_path / "state").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DeniedError, match=r"belongs to \w+: run the command as that user"):
        close_state_folder(tmp_path / "state", tmp_path)


def test_a_file_in_its_place_is_denied(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(DeniedError, match="cannot be made"):
        make_state_folder(tmp_path / "state" / "inner", tmp_path)
