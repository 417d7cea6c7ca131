"""Parameters are checked before a kernel starts; the five weak points of papermill are fixed."""

import json

import pytest

from pratique.errors import DataError, MissingError, UsageError
from pratique.notebook import check_parameters, describe_parameters, find_notebook, read_parameters

CELL = """\
service: str = "a # b"  # the service
alpha: float = 0.05  # probability, 0 < alpha < 1
windows: int = 3
dry_run: bool = False  # true changes nothing
stages: list[float] = [5.0, 25.0]  # percent
hosts: list[str] = []  # names
limit: Optional[int] = None  # none: no limit
loose: float | None = None  # a union
bare = 7"""


@pytest.fixture
def notebook(tmp_path):
    return write(tmp_path / "sample.ipynb", CELL)


def write(path, source, tags=("parameters",)):
    cell = {
        "cell_type": "code",
        "id": "p",
        "metadata": {"tags": list(tags)},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8")
    return path


def test_names_types_defaults_and_help_are_read_without_a_kernelspec(notebook):
    found = read_parameters(notebook)
    assert [(p.name, p.type, p.default, p.help) for p in found.values()][:3] == [
        ("service", "str", "a # b", "the service"),
        ("alpha", "float", 0.05, "probability, 0 < alpha < 1"),
        ("windows", "int", 3, ""),
    ]
    assert (found["loose"].type, found["bare"].type) == ("float | None", "int")


def test_an_unknown_parameter_is_an_error_that_lists_the_accepted_ones(notebook):
    with pytest.raises(UsageError, match=r"has no parameter 'alpa': it accepts service \(str\), alpha \(float\)"):
        check_parameters(notebook, {"alpa": 0.01})


def test_text_is_converted_to_the_type_of_the_parameter(notebook):
    given = {"alpha": "0.2", "windows": "4", "dry_run": "true", "stages": "5, 25", "hosts": '["a", "b"]', "limit": "9"}
    assert check_parameters(notebook, given) == {
        "alpha": 0.2,
        "windows": 4,
        "dry_run": True,
        "stages": [5.0, 25.0],
        "hosts": ["a", "b"],
        "limit": 9,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alpha", "much"),
        ("windows", 1.5),
        ("windows", True),
        ("dry_run", 1),
        ("service", 3),
        ("stages", 5),
        ("hosts", [1]),
        ("limit", "x"),
    ],
)
def test_a_value_of_the_wrong_type_is_an_error_with_name_value_and_type(notebook, name, value):
    with pytest.raises(UsageError, match=f"parameter '{name}' is .*, not "):
        check_parameters(notebook, {name: value})


def test_a_float_accepts_an_integer_and_an_optional_accepts_none(notebook):
    assert check_parameters(notebook, {"alpha": 1, "limit": None, "service": "7"}) == {
        "alpha": 1.0,
        "limit": None,
        "service": "7",
    }
    assert isinstance(check_parameters(notebook, {"alpha": 1})["alpha"], float)


@pytest.mark.parametrize("source", ["import os", "a = b", "a: int", "a = = 1", "a, b = 1, 2"])
def test_a_parameters_cell_with_other_code_is_an_error(tmp_path, source):
    with pytest.raises(DataError, match=r"parameters cell of x\.ipynb"):
        read_parameters(write(tmp_path / "x.ipynb", source))


def test_a_notebook_without_a_parameters_cell_accepts_no_parameter(tmp_path):
    path = write(tmp_path / "x.ipynb", "a = 1", tags=())
    assert read_parameters(path) == {}
    with pytest.raises(UsageError, match="it accepts none"):
        check_parameters(path, {"a": 1})


def test_notebooks_are_found_by_name_and_by_path(notebook):
    assert find_notebook("canary_report").name == "canary_report.ipynb"
    assert find_notebook(notebook) == notebook


def test_an_unknown_notebook_is_an_error_that_lists_the_known_ones():
    with pytest.raises(UsageError, match="no notebook 'canary': choose one of canary_report"):
        find_notebook("canary")
    with pytest.raises(MissingError, match=r"'no/such\.ipynb' does not exist"):
        find_notebook("no/such.ipynb")


@pytest.mark.parametrize("text", ["", "{}", '{"nbformat": 3, "cells": []}', "[1]", "not json"])
def test_a_file_that_is_not_a_notebook_is_an_error(tmp_path, text):
    path = tmp_path / "x.ipynb"
    path.write_text(text)
    with pytest.raises(DataError, match=r"x\.ipynb"):
        read_parameters(path)


def test_parameters_are_described_as_text():
    assert "service: str = ''  service name in the store" in describe_parameters("canary_report")


@pytest.mark.parametrize("kind", ["float", "float | None", "None | float", "Optional[float]", "Union[float, None]"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", float("nan"), float("inf")])
def test_a_number_that_json_cannot_hold_is_an_error(tmp_path, kind, value):
    path = write(tmp_path / "n.ipynb", f"limit: {kind} = 0.5")
    with pytest.raises(UsageError, match="parameter 'limit' is"):
        check_parameters(path, {"limit": value})


@pytest.mark.parametrize("value", ["[1, NaN]", "1,nan", "[Infinity]", [1.0, float("nan")]])
@pytest.mark.parametrize("kind", ["list", "list[float]", "list[float] | None"])
def test_a_list_with_such_a_number_is_an_error(tmp_path, kind, value):
    path = write(tmp_path / "n.ipynb", f"limits: {kind} = []")
    if (kind, value) == ("list", "1,nan"):
        # without a type, the items of a list are text
        assert check_parameters(path, {"limits": value}) == {"limits": ["1", "nan"]}
        return
    with pytest.raises(UsageError, match="parameter 'limits' is"):
        check_parameters(path, {"limits": value})


@pytest.mark.parametrize("kind", ["str | None", "None | str", "Optional[str]", "Union[str, None]", "'str | None'"])
@pytest.mark.parametrize(
    ("value", "expected"), [("None", None), ("null", None), (None, None), ("none at all", "none at all")]
)
def test_none_is_given_to_an_optional_parameter(tmp_path, kind, value, expected):
    path = write(tmp_path / "n.ipynb", f"maybe: {kind} = None")
    assert check_parameters(path, {"maybe": value}) == {"maybe": expected}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("int | None", "7", 7),
        ("int | str", "seven", "seven"),
        ("int | str", "7", 7),
        ("float | None", "0.5", 0.5),
        ("list[int] | None", "1,2", [1, 2]),
        ("list[int] | None", "None", None),
        ("list[float | None]", "[1, null]", [1.0, None]),
        ("bool | None", "true", True),
    ],
)
def test_text_is_converted_to_a_member_of_a_union(tmp_path, kind, value, expected):
    path = write(tmp_path / "n.ipynb", f"given: {kind} = None")
    assert check_parameters(path, {"given": value}) == {"given": expected}


@pytest.mark.parametrize(
    ("kind", "value"), [("int | None", "x"), ("str", None), ("float", "None"), ("bool | None", "7")]
)
def test_a_value_of_no_member_is_an_error(tmp_path, kind, value):
    path = write(tmp_path / "n.ipynb", f"given: {kind} = None")
    with pytest.raises(UsageError, match="parameter 'given' is"):
        check_parameters(path, {"given": value})
