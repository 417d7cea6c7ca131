"""The page of exit statuses, from the error classes and the verdict."""

from __future__ import annotations

import inspect

from pratique import errors
from tools.reference.markdown import cell, table

HEAD = """# Exit status

A script can branch on the exit status of every command. `compare`, `report`, `release` and `run` give the outcome; the other commands
give 0 when they are done.

## Outcomes

| status | meaning |
| --- | --- |
| 0 | promote, or done |
| 1 | rollback: the canary is worse than tolerated, or failed |
| 2 | continue or inconclusive: not decided. This is never a pass |
| 130 | interrupted by Ctrl-C; a run has undone its changes |
| 141 | the reader of the output closed the pipe |
| 143 | terminated by SIGTERM; a run has undone its changes |

`pratique rollback` exits with 0 when all traffic is on the target release.

`pratique incident` and `pratique watch` exit with 0 when nothing is shown, 1 when a release is shown to be the cause, and 2 for anything else: a rise
that no release explains, a change that only fits, or data that does not allow an answer.

## Errors

An error is one line on standard error: what failed, with which input, and what to do. The statuses are those of BSD's `sysexits.h`. In
Python, each is an exception; all derive from `PratiqueError`.
"""


def classes() -> list[type[errors.PratiqueError]]:
    """All error classes, by status."""
    found = [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, errors.PratiqueError)]
    return sorted(found, key=lambda item: (item.exit_status, item.__name__))


def page() -> str:
    """The whole page."""
    rows = [(str(item.exit_status), f"`{item.__name__}`", cell(inspect.getdoc(item) or "")) for item in classes()]
    return HEAD + "\n" + table(("status", "exception", "meaning"), rows)
