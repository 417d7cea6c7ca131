"""Imports go one way, and what every command loads is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

LIB = Path(__file__).parents[2] / "lib" / "pratique"
ORDER = ["notebook", "release", "runtime", "balancer", "telemetry", "store", "judge", "figures", "report", "runbook"]
SHARED = {"errors", "config", "ledger"}
MODULES = sorted(LIB.rglob("*.py"))


def imported(path):
    """The packages of ours that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("pratique."):
                yield name.split(".")[1]


@pytest.mark.parametrize("package", ORDER)
def test_a_package_imports_only_from_those_before_it(package):
    allowed = set(ORDER[: ORDER.index(package) + 1]) | SHARED
    for path in (LIB / package).rglob("*.py"):
        assert set(imported(path)) <= allowed, f"{path.name} imports from the wrong side"


def test_the_ledger_and_the_shared_modules_import_no_package():
    for path in [*(LIB / "ledger").rglob("*.py"), *(LIB / "config").rglob("*.py"), LIB / "errors.py"]:
        assert set(imported(path)) <= SHARED, path.name


def test_the_judge_and_the_figures_import_no_client_library():
    forbidden = {"duckdb", "deltalake", "docker", "influxdb_client", "aiohttp", "papermill"}
    for path in [*(LIB / "judge").rglob("*.py"), *(LIB / "figures").rglob("*.py"), *(LIB / "telemetry").rglob("*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        names |= {
            node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
        }
        assert not names & forbidden, path.name


def test_help_loads_nothing_heavy():
    code = "import sys; import pratique.cli; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"duckdb", "deltalake", "polars", "scipy", "plotly", "papermill", "aiohttp", "pandas", "numpy"} & set(
        loaded
    )
