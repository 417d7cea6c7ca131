"""The rules for every notebook and runbook, on which readers, papermill and reviewers rely."""

import ast
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import nbformat
import pytest

from pratique.notebook import read_parameters
from pratique.notebook.quick_import import without_iri_parsers

with without_iri_parsers():
    from papermill import inspect_notebook

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted([*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("runbooks/*.ipynb")])
RUNBOOKS = [path for path in NOTEBOOKS if path.parent.name == "runbooks"]
MAX_LINES = 8
FORBIDDEN = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Try, ast.For, ast.While, ast.ListComp,
    ast.SetComp, ast.DictComp,
)  # fmt: skip
PUBLIC_MODULES = {"pratique", "pratique.figures"}

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def steps(path):
    """The code cells after parameters and imports."""
    return [cell for cell in code_cells(path) if cell.id not in ("parameters", "imports")]


def test_there_are_notebooks_to_check():
    assert {"canary_report", "release"} <= {path.stem for path in NOTEBOOKS}


@each
def test_a_notebook_is_valid_and_has_no_outputs(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}, "the metadata of a run was left in"


@each
def test_cell_ids_are_names(path):
    ids = [cell.id for cell in read(path).cells]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) for name in ids), ids


@each
def test_a_notebook_starts_with_a_title_and_a_paragraph(path):
    first = read(path).cells[0]
    assert (first.cell_type, first.id) == ("markdown", "title")
    title, blank, paragraph = first.source.split("\n")[:3]
    assert title.startswith("# ")
    assert not blank
    assert len(paragraph) > 80


@each
def test_parameters_are_one_per_line_typed_and_explained(path):
    cell = code_cells(path)[0]
    assert cell.id == "parameters"
    assert cell.metadata.tags == ["parameters"]
    assert read(path).metadata.kernelspec.name == "python3"
    for line in cell.source.split("\n"):
        assert re.fullmatch(r"[a-z_]+: (str|int|float|bool|list(\[\w+\])?|Optional\[\w+\]) = [^#]+  # .{5,}", line), (
            line
        )


@each
def test_papermill_reads_the_same_parameters(path):
    seen = inspect_notebook(str(path))
    ours = read_parameters(path)
    assert {name: (found["inferred_type_name"], found["help"]) for name, found in seen.items()} == {
        name: (parameter.type, parameter.help) for name, parameter in ours.items()
    }


@each
def test_prose_precedes_every_step(path):
    """Two figures may share a paragraph; every other step has its own."""
    kinds = "".join(cell.cell_type[0] for cell in read(path).cells if cell.id not in ("parameters", "imports"))
    assert re.fullmatch(r"(m+c{1,2})+m*", kinds), kinds


@each
def test_code_calls_the_library_and_defines_nothing(path):
    for cell in code_cells(path):
        assert len(cell.source.split("\n")) <= MAX_LINES or cell.id in ("parameters", "imports"), cell.id
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, FORBIDDEN), f"{cell.id}: {type(node).__name__}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert cell.id == "imports", f"{cell.id} imports"
                assert isinstance(node, ast.ImportFrom), "write: from pratique import …"
                assert node.module in PUBLIC_MODULES, f"{node.module} is not public"
                assert {alias.name for alias in node.names} <= set(import_module(node.module).__all__)


@each
def test_a_name_is_assigned_in_one_cell_only(path):
    where = {}
    for cell in code_cells(path):
        names = {
            node.id
            for node in ast.walk(ast.parse(cell.source))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for name in names:
            assert name not in where, f"{name} is assigned in {where[name]} and in {cell.id}"
            where[name] = cell.id


@each
def test_a_notebook_ends_with_an_assertion(path):
    last = steps(path)[-2:] if path in RUNBOOKS else steps(path)[-1:]
    assert any("assert " in cell.source for cell in last), "the last step has no assertion"


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_a_runbook_explains_meaning_impact_needs_and_undo_and_numbers_its_steps(path):
    cells = read(path).cells
    for heading in ("Meaning", "Impact", "You need", "Undo"):
        assert f"**{heading}" in cells[0].source, heading
    numbers = [int(found) for cell in cells for found in re.findall(r"^## (\d+)\. ", cell.source, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 3
    assert "dry_run" in read_parameters(path)


def test_ruff_finds_no_problem_in_any_notebook():
    """Runs the ruff command itself, as an editor does."""
    rules = ["--isolated", "--line-length", "120", "--target-version", "py311"]
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        *rules,
        "--select",
        "E4,E7,E9,F,I,B,UP,PLE,T20,S",
        "--ignore",
        "S101",
    ]
    found = subprocess.run([*command, *NOTEBOOKS], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    command = [sys.executable, "-m", "ruff", "format", "--check", "--isolated", "--line-length", "120", *NOTEBOOKS]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@each
def test_a_notebook_is_stored_as_jupyterlab_stores_it(path):
    text = path.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"
