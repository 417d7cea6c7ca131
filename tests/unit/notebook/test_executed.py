"""The executed notebook is valid JSON, and a cell that ended it is known."""

import json

import pytest

from pratique.notebook.executed import ended_early, write_valid_json


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def test_numbers_that_are_no_json_become_null(tmp_path):
    path = tmp_path / "n.ipynb"
    path.write_text('{"cells": [{"outputs": [{"data": {"y": [1.5, NaN, -Infinity]}}], "source": "NaN é"}]}')
    write_valid_json(path)
    found = json.loads(path.read_text(), parse_constant=refuse)
    assert found["cells"][0] == {"outputs": [{"data": {"y": [1.5, None, None]}}], "source": "NaN é"}


@pytest.mark.parametrize("text", ['{"cells": [ ] , "source": "NaN"}', '{"cells": [NaN', ""])
def test_a_valid_notebook_and_one_that_is_cut_short_stay_as_they_are(tmp_path, text):
    path = tmp_path / "n.ipynb"
    path.write_text(text)
    write_valid_json(path)
    assert path.read_text() == text


def test_the_cell_that_called_exit_is_found():
    def code(*names):
        return {"cell_type": "code", "outputs": [{"ename": name} for name in names]}

    text = {"cell_type": "markdown"}
    assert ended_early({"cells": [text, code(), text, code("SystemExit"), code()]}) == 2
    assert ended_early({"cells": [text, code(), {"cell_type": "code"}]}) is None
