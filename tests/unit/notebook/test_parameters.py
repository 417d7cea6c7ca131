"""Parameters are checked before a kernel starts, and the five weak points of papermill are closed."""

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


def test_an_unknown_name_is_an_error_that_lists_the_accepted(notebook):
    with pytest.raises(UsageError, match=r"takes no parameter 'alpa': it takes service \(str\), alpha \(float\)"):
        check_parameters(notebook, {"alpa": 0.01})


def test_text_is_read_as_the_type(notebook):
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
def test_a_wrong_type_is_an_error_with_name_value_and_type(notebook, name, value):
    with pytest.raises(UsageError, match=f"parameter '{name}' is .*, not "):
        check_parameters(notebook, {name: value})


def test_whole_numbers_do_for_a_float_and_none_for_an_optional(notebook):
    assert check_parameters(notebook, {"alpha": 1, "limit": None, "service": "7"}) == {
        "alpha": 1.0,
        "limit": None,
        "service": "7",
    }
    assert isinstance(check_parameters(notebook, {"alpha": 1})["alpha"], float)


@pytest.mark.parametrize("source", ["import os", "a = b", "a: int", "a = = 1", "a, b = 1, 2"])
def test_a_cell_that_is_more_than_parameters_is_an_error(tmp_path, source):
    with pytest.raises(DataError, match=r"parameters cell of x\.ipynb"):
        read_parameters(write(tmp_path / "x.ipynb", source))


def test_a_notebook_without_the_cell_takes_nothing(tmp_path):
    path = write(tmp_path / "x.ipynb", "a = 1", tags=())
    assert read_parameters(path) == {}
    with pytest.raises(UsageError, match="it takes none"):
        check_parameters(path, {"a": 1})


def test_notebooks_are_found_by_name_and_by_path(notebook):
    assert find_notebook("canary_report").name == "canary_report.ipynb"
    assert find_notebook(notebook) == notebook


def test_an_unknown_notebook_is_an_error_that_lists_the_known():
    with pytest.raises(UsageError, match="no notebook is named 'canary': there are canary_report"):
        find_notebook("canary")
    with pytest.raises(MissingError, match=r"'no/such\.ipynb' does not exist"):
        find_notebook("no/such.ipynb")


@pytest.mark.parametrize("text", ["", "{}", '{"nbformat": 3, "cells": []}', "[1]", "not json"])
def test_what_is_not_a_notebook_is_an_error(tmp_path, text):
    path = tmp_path / "x.ipynb"
    path.write_text(text)
    with pytest.raises(DataError, match=r"x\.ipynb"):
        read_parameters(path)


def test_a_person_can_read_what_it_takes():
    assert "service: str = ''  the service, as the store knows it" in describe_parameters("canary_report")
