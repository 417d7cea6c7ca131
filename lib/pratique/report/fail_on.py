"""The parameter fail_on: end a report with an error, so that a scheduler sees its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pratique.errors import PratiqueError, UsageError
from pratique.report.given import refuse_numbers

if TYPE_CHECKING:
    from pratique.judge.model import Verdict

FAIL_ON = ("rollback", "inconclusive", "finding")
"""The levels: each one includes those before it. "inconclusive" includes "continue"."""


class FailOnRollbackError(PratiqueError):
    """The verdict is rollback, or it has findings, and fail_on asks for an error."""

    exit_status = 1


class FailOnInconclusiveError(PratiqueError):
    """The verdict is inconclusive or continue, and fail_on asks for an error."""

    exit_status = 2


def check_fail_on(fail_on: str) -> str:
    """Return the level. Raises: UsageError when it is none of FAIL_ON and not empty."""
    refuse_numbers(fail_on=fail_on)
    if fail_on and fail_on not in FAIL_ON:
        raise UsageError(
            f"fail_on {fail_on!r} is not a level: give {', '.join(FAIL_ON[:-1])} or {FAIL_ON[-1]}, or leave it empty"
        )
    return fail_on


def raise_on(verdict: Verdict, fail_on: str) -> None:
    """Raise an error if the verdict reaches the level; "" never raises.

    Raises: FailOnRollbackError, FailOnInconclusiveError; their exit status is that of `pratique report`, and 1 for a
        promotion with findings.
    """
    if not fail_on:
        return
    level = FAIL_ON.index(fail_on)
    what = f"{verdict.service} {verdict.canary}: {verdict.verdict}: {verdict.reason}"
    if verdict.verdict == "rollback":
        raise FailOnRollbackError(f"{what}: the report is saved")
    if verdict.verdict != "promote" and level >= FAIL_ON.index("inconclusive"):
        raise FailOnInconclusiveError(f"{what}: the report is saved")
    if verdict.findings and fail_on == "finding":
        count = "1 finding" if len(verdict.findings) == 1 else f"{len(verdict.findings)} findings"
        raise FailOnRollbackError(f"{what}; {count}, the first: {verdict.findings[0].message}: the report is saved")
