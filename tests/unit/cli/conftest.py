"""The command line in an empty working folder; a file may have its own `run` instead."""

import pytest

from pratique.cli import main


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command; return exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def done(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        return ended.value.code, *capsys.readouterr()

    return done
