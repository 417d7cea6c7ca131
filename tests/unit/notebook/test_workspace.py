"""Copies of the notebooks, for a person to edit."""

import pytest

from pratique.errors import DeniedError
from pratique.notebook.find import known_notebooks
from pratique.notebook.workspace import copy_notebooks


def test_every_notebook_is_copied(tmp_path):
    copies = copy_notebooks(tmp_path / "lab")
    assert {copy.stem: copy.read_bytes() for copy in copies} == {
        name: path.read_bytes() for name, path in known_notebooks().items()
    }


def test_an_edited_copy_is_kept_and_an_old_one_is_replaced(tmp_path, monkeypatch):
    newer = tmp_path / "newer"
    newer.mkdir()
    for name in known_notebooks():
        (newer / f"{name}.ipynb").write_text("new")
    release, rollback, *_ = (copy for copy in copy_notebooks(tmp_path / "lab") if copy.stem in ("release", "rollback"))
    release.write_text("mine")
    monkeypatch.setattr(
        "pratique.notebook.workspace.known_notebooks", lambda: {path.stem: path for path in newer.glob("*.ipynb")}
    )
    copy_notebooks(tmp_path / "lab")
    assert (release.read_text(), rollback.read_text()) == ("mine", "new")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "lab").write_text("a file")
    with pytest.raises(DeniedError, match="choose another folder"):
        copy_notebooks(tmp_path / "lab")
