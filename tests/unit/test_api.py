"""The public API: complete, sorted, documented, known to type checkers, and fast to import."""

import ast
import doctest
import importlib
import inspect
import re
import subprocess
import sys
from dataclasses import fields

import pytest

import pratique
from pratique.judge.model import Finding, GuardResult, Remaining, Trace, Verdict
from support.report_samples import sample_verdict

FUNCTIONS = [name for name in pratique.__all__ if inspect.isfunction(getattr(pratique, name))]
FIGURES = [
    "codes",
    "difference_banner",
    "difference_layers",
    "difference_tables",
    "evidence_trace",
    "heatmap",
    "incident_banner",
    "incident_evidence",
    "incident_logs",
    "incident_onset",
    "incident_panels",
    "incident_places",
    "incident_suspects",
    "latency",
    "panels",
    "timeline",
    "traffic",
]
SUBMODULES = {"errors", "figures"}
EXAMPLES = [
    "pratique",
    "pratique.config.judge",
    "pratique.config.load",
    "pratique.figures.labels",
    "pratique.figures.panels",
    "pratique.incident.text",
    "pratique.judge.compare",
    "pratique.store",
]
"""Modules with examples in their docstrings, which run here."""


def type_checked_imports():
    """The imports that only a type checker sees: public name → (module, name in it)."""
    tree = ast.parse(inspect.getsource(pratique))
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_the_public_names_are_sorted_and_unique():
    assert pratique.__all__ == sorted(set(pratique.__all__))
    assert dir(pratique) == pratique.__all__


@pytest.mark.parametrize("name", pratique.__all__)
def test_a_public_name_resolves_and_is_documented(name):
    value = getattr(pratique, name)
    assert name == "__version__" or (inspect.getdoc(value) or "").strip()


def test_star_import_gives_every_public_name():
    names = {}
    exec("from pratique import *", names)
    assert set(names) - {"__builtins__"} == set(pratique.__all__)


@pytest.mark.parametrize("name", sorted(set(pratique.__all__) - {"__version__"} - SUBMODULES))
def test_a_type_checker_sees_the_object_that_is_loaded(name):
    module, original = type_checked_imports()[name]
    assert getattr(pratique, name) is getattr(importlib.import_module(module), original)


def test_a_type_checker_sees_no_other_names():
    assert set(type_checked_imports()) == set(pratique.__all__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_is_typed_and_documents_parameters_and_errors(name):
    function = getattr(pratique, name)
    signature = inspect.signature(function)
    annotations = [parameter.annotation for parameter in signature.parameters.values()]
    assert inspect.Signature.empty not in [*annotations, signature.return_annotation]
    doc = inspect.getdoc(function)
    assert "Raises:" in doc or name == "reproduction", "no word about errors"
    positional = (
        "service",
        "baseline",
        "canary",
        "comparison",
        "difference",
        "investigation",
        "name_or_path",
        "output",
        "settings",
    )
    optional = [parameter for parameter in signature.parameters if parameter not in positional]
    assert not [parameter for parameter in optional if f"{parameter}" not in doc], "a parameter is not explained"


@pytest.mark.parametrize(
    "kind", [Verdict, GuardResult, Finding, Remaining, Trace, pratique.Comparison, pratique.OpenedIncident]
)
def test_every_field_of_a_public_value_is_explained(kind):
    doc = inspect.getdoc(kind)
    missing = [field.name for field in fields(kind) if not re.search(rf"(^|[.,;] ){field.name}[,:]", doc, re.MULTILINE)]
    assert not missing


def test_the_json_of_a_verdict_has_the_documented_keys():
    value = sample_verdict().to_json()
    assert [*value] == [field.name for field in fields(Verdict) if field.name != "trace"] + ["exit_status"]
    assert [*value["guards"][0]] == [field.name for field in fields(GuardResult)]
    assert [*value["findings"][0]] == [field.name for field in fields(Finding)]


@pytest.mark.parametrize("name", [*FUNCTIONS, *pratique.figures.__all__])
def test_a_docstring_starts_with_one_complete_line(name):
    value = getattr(pratique, name, None) or getattr(pratique.figures, name)
    first = inspect.getdoc(value).splitlines()[0]
    assert first.endswith((".", ":")), first


def test_every_figure_and_panel_is_public():
    """Each function of a module in figures/ that returns a Chart or a Panel, except the shared helpers."""
    missing = {
        name
        for module in FIGURES
        for name, value in vars(importlib.import_module(f"pratique.figures.{module}")).items()
        if inspect.isfunction(value)
        and value.__module__.endswith(module)
        and not name.startswith("_")
        and value.__annotations__.get("return") in ("Chart", "Panel")
    } - set(pratique.figures.__all__)
    assert not missing
    assert pratique.figures.__all__ == sorted(pratique.figures.__all__)


def test_an_unknown_name_is_an_error_that_lists_the_known_ones():
    with pytest.raises(AttributeError, match="no attribute 'comparison': it has Comparison, GuardPolicy"):
        _ = pratique.comparison


def test_importing_pratique_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import pratique; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in run.stdout.split() if name.startswith("pratique.")] == []
    heavy = {"pydantic", "numpy", "pyarrow", "duckdb", "deltalake", "plotly", "papermill", "click"}
    assert not heavy & set(run.stdout.split())


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_examples_run(module):
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted
    assert not result.failed
