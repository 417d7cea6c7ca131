"""A newcomer finds the unit tests of lib/pratique/X/Y.py in tests/unit/X/test_Y.py."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "lib" / "pratique"
ACROSS = {
    "test_api.py",
    "test_dependencies.py",
    "test_grafana.py",
    "test_imports.py",
    "test_layout.py",
    "test_markers.py",
    "test_notebooks.py",
    "test_project_files.py",
    "test_reruns.py",
    "test_wording.py",
    "cli/test_commands.py",
    "cli/test_exit_status.py",
    "cli/test_help.py",
}
"""Files about the whole project or a whole package."""
FILES = sorted(path.relative_to(HERE) for path in HERE.rglob("test_*.py"))
SUITES = ("unit", "integration", "browser", "docs", "faults", "packaging")


def modules_of(file):
    """The modules that a file of unit tests can stand for: a module, a package, or the package of the folder itself."""
    name = file.stem.removeprefix("test_")
    found = [PACKAGE / file.parent / f"{name}.py", PACKAGE / file.parent / name / "__init__.py"]
    return [*found, PACKAGE / file.parent / "__init__.py"] if file.parent.name == name else found


@pytest.mark.parametrize("file", [file for file in FILES if str(file) not in ACROSS], ids=str)
def test_a_unit_test_file_is_named_after_a_module(file):
    assert any(module.exists() for module in modules_of(file)), f"lib/pratique has no module that {file} is named after"


def test_every_exception_exists():
    assert {str(file) for file in FILES} >= ACROSS


def test_every_test_belongs_to_a_suite():
    tests = HERE.parent
    astray = {
        str(path.relative_to(tests))
        for path in tests.rglob("test_*.py")
        if path.relative_to(tests).parts[0] not in SUITES
    }
    assert astray == set()


def test_helpers_are_in_the_support_folder():
    assert sorted(path.name for path in HERE.parent.glob("*.py")) == ["conftest.py"]
