"""Imports go one way, file by file, and the modules that every command loads are light."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

LIB = Path(__file__).parents[2] / "lib"
LEAVES = [
    "errors",
    "clock",
    "files",
    "isolated",
    "kept_json",
    "lock_holders",
    "masked_text",
    "number_text",
    "own_processes",
    "printable_text",
    "scheduler_text",
    "text_table",
    "version",
    "weight_changes",
]
ORDER = [
    *LEAVES,
    "git_command",
    "subject_lock",
    "state_database",
    "config",
    "notebook",
    "ledger",
    "outcomes",
    "release",
    "notify",
    "runtime",
    "balancer",
    "jobs",
    "telemetry",
    "store",
    "export",
    "judge",
    "incident",
    "planning",
    "delivery",
    "maturity",
    "doctor",
    "figures",
    "report",
    "widgets",
    "demo",
    "runbook.engine",
    "runbook.common",
    "runbook.service",
    "runbook.canary",
    "runbook.release",
    "runbook.rollback",
    "runbook.doctor",
    "runbook.scheduled_job",
    "runbook",
    "background",
    "status",
    "bootstrap",
    "review",
    "schedules",
    "check",
    "cli",
    "__main__",
]
"""A module imports from its own line and from the lines above it."""
MODULES = {
    ".".join(path.relative_to(LIB).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(LIB.rglob("*.py"))
}


@cache
def imports_of(module):
    """Every other module of the library that a module imports, inside functions and under TYPE_CHECKING too."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found.update(name if name in MODULES else node.module for name in inner)
    return found - {module, "pratique"}


def line_of(module):
    """The line of ORDER that a module belongs to: the longest name that it begins with."""
    name = module.removeprefix("pratique.")
    found = [line for line in ORDER if name == line or name.startswith(f"{line}.")]
    assert found, f"{module} stands in no line of ORDER: add it"
    return ORDER.index(max(found, key=len))


def test_no_module_imports_itself_through_others():
    try:
        TopologicalSorter({module: imports_of(module) for module in MODULES}).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(reversed(error.args[1])))


@pytest.mark.parametrize("module", [module for module in MODULES if module != "pratique"])
def test_a_module_imports_only_from_its_own_line_and_those_above(module):
    upward = {other for other in imports_of(module) if line_of(other) > line_of(module)}
    assert not upward, f"{module} imports upwards from {sorted(upward)}"


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_leaf_imports_nothing_of_the_library(leaf):
    assert imports_of(f"pratique.{leaf}") == set()


@pytest.mark.slow
def test_the_judge_and_the_figures_import_no_client_library():
    forbidden = {"duckdb", "deltalake", "docker", "influxdb_client", "aiohttp", "papermill"}
    for module, path in MODULES.items():
        if module.split(".")[1:2] not in (["judge"], ["figures"], ["telemetry"]):
            continue
        if module == "pratique.telemetry.tables.engine":
            continue  # the one module that reads files through DuckDB
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        names |= {
            node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
        }
        assert not names & forbidden, module


def test_help_loads_nothing_heavy():
    code = "import sys; import pratique.cli; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"duckdb", "deltalake", "polars", "scipy", "plotly", "papermill", "aiohttp", "pandas", "numpy"} & set(
        loaded
    )


@pytest.mark.slow
def test_the_collector_loads_nothing_that_its_settings_do_not_need():
    code = "import sys; import pratique.telemetry.collector; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"polars", "pandas", "duckdb", "google", "scipy", "plotly", "papermill", "influxdb_client"} & set(loaded)


REFUSED = [
    "status nope",
    "runs nope",
    "release shop r9",
    "release nope r1",
    "release shop r1 --stages 5,abc",
    "release shop r1 --bogus",
    "rollback shop r9",
    "rollback nope r1",
    "up shop r9",
    "down nope",
    "approve k9",
    "abort k9",
    "releases nope",
    "run nosuch",
    "import nofile --service shop --revision r1",
    "collect --config missing.toml",
    "check --config missing.toml",
    "balancer nope",
    "compare shop r1 r2 --config missing.toml",
    "compare shop r1 r2 --weight 200",
    "plan shop --stages 5,abc",
    "diff shop r1 r2 --config missing.toml",
    "diff shop r8 r9",
    "diff a.tar b.tar",
    "report shop r1 r2 --start never",
    "incident shop --outcome errors",
    "incident shop --start never",
    "incident shop --config missing.toml",
    "incident shop --all",
    "doctor --only nothing",
    "doctor --host web1",
    "notify --config missing.toml",
    "notify --test",
]
"""Commands that are refused without a look into the store."""


@pytest.mark.slow
def test_a_refusal_loads_no_slow_module(tmp_path):
    (tmp_path / "releases/shop/r1").mkdir(parents=True)
    (tmp_path / "pratique.toml").write_text('[services.shop.runtime]\ncommand = ["true", "{port}"]\n')
    code = f"""
import sys
from pratique.cli import main
for words in {REFUSED!r}:
    try:
        main(words.split())
    except SystemExit as ended:
        print(words, ended.code, sep="|")
print(*({{"numpy", "pyarrow", "polars", "deltalake", "plotly", "nbclient", "duckdb", "jupyter_client"}} & sys.modules.keys()), sep="|")
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    *ends, loaded = ran.stdout.split("\n")[:-1]
    assert [end for end in ends if int(end.partition("|")[2]) < 64] == []
    assert len(ends) == len(REFUSED)
    assert loaded == ""
    assert ran.stderr.count("\n") == len(REFUSED)
