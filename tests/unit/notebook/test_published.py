"""A name on the command line means the published notebook, whatever a person does to the file."""

import json

import pytest

from pratique.errors import DataError
from pratique.notebook import find, published
from pratique.notebook.published import FILE, cells_digest, published_text, require_published


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """A folder with the published notebooks, of which a test edits one."""
    for name, path in find.known_notebooks().items():
        (tmp_path / f"{name}.ipynb").write_bytes(path.read_bytes())
    monkeypatch.setattr(published, "known_notebooks", lambda: {path.stem: path for path in tmp_path.glob("*.ipynb")})
    return tmp_path


def change(path, edit):
    notebook = json.loads(path.read_text())
    edit(notebook)
    path.write_text(json.dumps(notebook))


def test_the_published_digests_are_those_of_the_notebooks():
    assert FILE.read_text(encoding="utf-8") == published_text(), "run make docs-reference"


def test_a_notebook_with_an_edited_parameter_is_refused_by_its_name(edited):
    require_published("release")
    change(edited / "release.ipynb", lambda n: n["cells"][2].update(source='service: str = "shop"'))
    with pytest.raises(DataError, match=r"was edited.*pratique run COPY\.ipynb"):
        require_published("release")
    require_published("rollback")


def test_outputs_of_a_run_do_not_count_as_an_edit(edited):
    before = cells_digest(edited / "release.ipynb")

    def run(notebook):
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell.update(execution_count=3, outputs=[{"output_type": "stream", "name": "stdout", "text": "done"}])
        notebook["metadata"]["kernelspec"] = {"name": "other"}

    change(edited / "release.ipynb", run)
    assert cells_digest(edited / "release.ipynb") == before
    require_published("release")


def test_a_path_is_not_checked(edited):
    require_published(str(edited / "anything.ipynb"))
