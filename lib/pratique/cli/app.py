"""The program `pratique`: all commands in their sections, and the exit status of every error."""

from __future__ import annotations

import os
import select
import sys
from typing import NoReturn

import click
from click.shell_completion import shell_complete

from pratique.cli import (
    analyse,
    configure,
    data,
    demo_data,
    diff,
    doctor,
    history,
    incident,
    jobs,
    notify,
    operate,
    release,
    review,
    schedule,
    watch,
)
from pratique.cli.colours import colour_mode
from pratique.cli.options import EPILOG
from pratique.cli.sections import Sections
from pratique.cli.store import maintain_command
from pratique.errors import Interrupted, PratiqueError, UsageError

PROGRAM = "pratique"
COMPLETE_VARIABLE = "_PRATIQUE_COMPLETE"
STDOUT, STDERR = 1, 2
INTERRUPTED, TERMINATED = 130, 143
BROKEN_PIPE = 141
LONGEST_MESSAGE = 300


def _print_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    """Print the version: of the installed package, or of a clone that is not installed."""
    if asked:
        from pratique.version import __version__  # noqa: PLC0415 - slow to load

        click.echo(f"{PROGRAM}, version {__version__}")
        ctx.exit()


@click.group(
    cls=Sections, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
@click.pass_context
def pratique(ctx: click.Context) -> None:
    """Release a revision as a canary: send it a little traffic, compare it with the running revision, and promote it
    or roll it back.
    """
    ctx.color = colour_mode()


pratique.add_section("Release", release.COMMANDS)
pratique.add_section(
    "Analyse",
    (*analyse.COMMANDS, *diff.COMMANDS, *incident.COMMANDS, *watch.COMMANDS, *history.COMMANDS, *review.COMMANDS),
)
pratique.add_section(
    "Operate", (*operate.COMMANDS, *jobs.COMMANDS, *notify.COMMANDS, *schedule.COMMANDS, *doctor.COMMANDS)
)
pratique.add_section("Configure", configure.COMMANDS)
pratique.add_section("Data", (*data.COMMANDS, *demo_data.COMMANDS))
pratique.add_former_name("maintain", maintain_command)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; an error that the user can fix is one line and an exit status of 64 or more."""
    try:
        exit_status = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        _leave(error.format_message(), UsageError.exit_status, prefix="")
    except click.ClickException as error:
        hint = f": see {error.ctx.command_path} --help" if isinstance(error, click.UsageError) and error.ctx else ""
        _leave(f"{_in_words(error).rstrip('.')}{hint}", UsageError.exit_status)
    except PratiqueError as error:
        _leave(str(error), error.exit_status)
    except Interrupted:
        _leave("terminated", TERMINATED)
    except (click.Abort, KeyboardInterrupt):
        _leave("interrupted", INTERRUPTED)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _output_closed():
            # the interpreter flushes standard output once more at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
            sys.exit(BROKEN_PIPE)
        if os.environ.get("PRATIQUE_DEBUG"):
            raise
        _leave(_unexpected(error), PratiqueError.exit_status)
    sys.exit(exit_status)


def _run(arguments: list[str]) -> int:
    """Run the command that the arguments name; return its exit status.

    click's own `main` would make a closed pipe exit status 1, which here means rollback.
    """
    instruction = os.environ.get(COMPLETE_VARIABLE)
    if instruction:
        return shell_complete(pratique, {}, PROGRAM, COMPLETE_VARIABLE, instruction)
    try:
        with pratique.make_context(PROGRAM, list(arguments)) as ctx:
            result = pratique.invoke(ctx)
    except click.exceptions.Exit as done:
        return done.exit_code
    return result if isinstance(result, int) else 0


def _in_words(error: click.ClickException) -> str:
    """The message of click, but for an option of several values, which click would only count."""
    if isinstance(error, click.BadOptionUsage):
        # the parser's errors do not tell the command
        for option in (parameter for command in pratique.commands.values() for parameter in command.params):
            if error.option_name in option.opts and option.nargs > 1:
                return f"{error.option_name} needs {option.nargs} values: write {error.option_name} {option.metavar}"
    return error.format_message()


def _output_closed() -> bool:
    """Return whether the reader of standard output or standard error is gone."""
    poll = select.poll()
    for descriptor in (STDOUT, STDERR):
        poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _unexpected(error: Exception) -> str:
    message = " ".join(str(error).split())[:LONGEST_MESSAGE]
    return f"unexpected {type(error).__name__}: {message} (set PRATIQUE_DEBUG=1 for the traceback)"


def _leave(message: str, exit_status: int, prefix: str = "pratique: ") -> NoReturn:
    click.echo(prefix + message, err=True)
    sys.exit(exit_status)
