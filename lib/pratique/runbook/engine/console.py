"""Text for people: one line of output, one line for an error, one line for the output of a program."""

from __future__ import annotations

from pratique.errors import Interrupted, PratiqueError

STOPPED_BY_SIGNAL = "stopped by a program (received SIGTERM)"
LONGEST_ERROR = 500
"""Characters kept of an error that is not Pratique's."""


def say(text: str) -> None:
    """Print one line and flush it, because a notebook, a log and a terminal must all show it at once."""
    print(text, flush=True)  # noqa: T201 - the output of a runbook


def say_detail(text: str) -> None:
    """Print one line about the current step, indented below the step's own line."""
    say(f"    {text}")


def describe(error: BaseException) -> str:
    """Return an error as one line."""
    if isinstance(error, Interrupted):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "stopped by a person (interrupted from the keyboard)"
    if isinstance(error, PratiqueError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:LONGEST_ERROR]


def plain(text: str) -> str:
    """Return untrusted text as one line: lines separated by bars, no control characters."""
    lines = (" ".join("".join(c if c.isprintable() else " " for c in line).split()) for line in text.splitlines())
    return " | ".join(line for line in lines if line)
