"""`pratique config`, `init` and `check` on the command line."""

import pytest

from pratique.cli import main
from pratique.config.reference import reference_text


@pytest.fixture
def run(capsys):
    """Run the command line; give back its exit status and what it printed."""

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        return ended.value.code, *capsys.readouterr()

    return call


def test_the_reference_is_printed_as_it_is(run):
    assert run("config", "--reference") == (0, reference_text(), "")


def test_one_section_of_the_reference_is_printed(run):
    assert run("config", "--reference", "docker") == (0, reference_text("docker"), "")


def test_an_unknown_section_is_wrong_use(run):
    status, printed, error = run("config", "--reference", "dokcer")
    assert (status, printed) == (64, "")
    assert error.startswith("pratique: the reference has no section 'dokcer': choose one of general, store, ")
