"""The exit status and the message of `main`, for every way in which a command can end."""

import os
import subprocess
import sys

import click
import pytest

from pratique.cli import main, pratique
from pratique.errors import Interrupted, PratiqueError
from pratique.report.fail_on import FailOnInconclusiveError, FailOnRollbackError
from pratique.runbook.engine.run import StoppedError, TerminatedError
from pratique.runtime.one_off import NameTakenError


def subclasses(kind):
    inner = [found for inner in kind.__subclasses__() for found in subclasses(inner)]
    own = [found for found in [kind, *inner] if found.__module__.startswith("pratique.")]
    # a private kind has the status of the public one that it is derived from
    return [found for found in own if not found.__name__.startswith("_")]


STATUSES = {
    "PratiqueError": 70,
    "UsageError": 64,
    "DataError": 65,
    "RetentionError": 65,
    "MissingError": 66,
    "UnavailableError": 69,
    "StorageError": 74,
    "BusyError": 75,
    "DeniedError": 77,
    "ConfigError": 78,
    NameTakenError.__name__: 75,
    FailOnRollbackError.__name__: 1,
    FailOnInconclusiveError.__name__: 2,
    StoppedError.__name__: 130,
    TerminatedError.__name__: 143,
}


@pytest.fixture
def run(monkeypatch, capsys):
    """Run `main` with a command `test` that calls a function; return exit status, standard output and standard error."""

    def done(function=lambda: None, arguments=("test",)):
        monkeypatch.setitem(pratique.commands, "test", click.Command("test", callback=function))
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        return ended.value.code, *capsys.readouterr()

    return done


def raising(error):
    def function():
        raise error

    return function


def test_every_error_of_the_package_has_a_row():
    assert {kind.__name__ for kind in subclasses(PratiqueError)} == set(STATUSES)


@pytest.mark.parametrize("kind", subclasses(PratiqueError), ids=lambda kind: kind.__name__)
def test_an_error_of_the_package_is_one_line_and_its_status(run, kind):
    assert run(raising(kind("no\n  luck"))) == (STATUSES[kind.__name__], "", "pratique: no luck\n")


@pytest.mark.parametrize(
    ("function", "status", "message"),
    [
        (lambda: None, 0, ""),
        (lambda: "text", 0, ""),
        (lambda: 1, 1, ""),
        (lambda: sys.exit(0), 0, ""),
        (lambda: sys.exit(1), 1, ""),
        (lambda: sys.exit(2), 2, ""),
        (raising(click.exceptions.Exit(2)), 2, ""),
        (raising(click.UsageError("a wrong call.")), 64, "pratique: a wrong call: see pratique test --help\n"),
        (raising(click.FileError("x", "gone")), 64, "pratique: Could not open file 'x': gone\n"),
        (raising(click.Abort()), 130, "pratique: interrupted\n"),
        (raising(KeyboardInterrupt()), 130, "pratique: interrupted\n"),
        (raising(Interrupted()), 143, "pratique: terminated\n"),
        (
            raising(ValueError("two\nlines")),
            70,
            "pratique: unexpected ValueError: two lines (set PRATIQUE_DEBUG=1 for the traceback)\n",
        ),
        (
            raising(BrokenPipeError("of an engine")),
            70,
            "pratique: unexpected BrokenPipeError: of an engine (set PRATIQUE_DEBUG=1 for the traceback)\n",
        ),
    ],
)
def test_every_other_end_of_a_command(run, function, status, message):
    assert run(function) == (status, "", message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command 'nonsense': see pratique --help"),
        (["--nonsense"], "No such option '--nonsense': see pratique --help"),
        (["compare"], "Missing argument 'SERVICE': see pratique compare --help"),
        (["compare", "shop", "r1", "r2", "r3"], "Got unexpected extra argument (r3): see pratique compare --help"),
        (["compare", "shop", "r1", "r2", "--weight", "100"], "100.0 is not in the range 0<x<100"),
        (["compare", "shop", "r1", "r2", "--start", "noon"], "'noon' is not a time"),
        (["release", "shop"], "Missing argument 'REVISION': see pratique release --help"),
        (["release", "shop", "r2", "--approval", "perhaps"], "'perhaps' is not one of 'automatic', 'ask'"),
        (["run"], "pratique run --list prints the names"),
        (["run", "release", "--json"], "--json needs --list"),
        (["logs", "shop", "--lines", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage_is_64_and_one_line(run, arguments, message):
    status, out, err = run(arguments=arguments)
    assert (status, out) == (64, "")
    assert err.startswith("pratique: ")
    assert err.count("\n") == 1
    assert message in err


def test_no_arguments_print_the_help_on_standard_error(run):
    status, out, err = run(arguments=[])
    assert (status, out) == (64, "")
    assert err.startswith("Usage: pratique ")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["release", "--help"], ["--version"]])
def test_help_and_version_are_a_success(run, arguments):
    status, out, err = run(arguments=arguments)
    assert (status, err) == (0, "")
    assert out


def test_debug_shows_the_traceback(monkeypatch, run):
    monkeypatch.setenv("PRATIQUE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 / 0)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--list", "release"]])
def test_a_closed_pipe_is_141_and_silent(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "pratique.cli", *arguments]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("module", ["pratique", "pratique.cli"])
def test_the_package_runs_as_a_module(module):
    command = [sys.executable, "-m", module, "compare"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "pratique: Missing argument 'SERVICE': see pratique compare --help\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "service"], "-p needs 2 values: write -p NAME VALUE"),
        (["-p", "service", "-p", "baseline", "r41"], "-p service has no value: write -p NAME VALUE"),
    ],
)
def test_a_parameter_without_a_value_is_named(arguments, message, capsys):
    with pytest.raises(SystemExit) as left:
        main(["run", "canary_report", *arguments])
    assert left.value.code == 64
    assert message in capsys.readouterr().err
