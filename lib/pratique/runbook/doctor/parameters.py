"""The parameters of runbooks/doctor.ipynb, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from pratique.doctor.finding import RISKS, Risk
from pratique.errors import UsageError
from pratique.runbook.common.parameters import RunParameters, check_run_parameters, require_text

RUN_ID_WORD = "doctor"


@dataclass(frozen=True, kw_only=True)
class DoctorParameters(RunParameters):
    """The parameters of an examination. hosts: engines. only, skip: ids of checks. fail_on: "" is that of the service file.

    compare_with: the id of an earlier run; "" is the last one. out: where the page is written.
    """

    hosts: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    fail_on: str = ""
    compare_with: str = ""
    out: str = ""

    @property
    def risk(self) -> Risk | None:
        """The least risk that counts; None is that of the service file."""
        return cast("Risk", self.fail_on) if self.fail_on else None


def check_doctor_parameters(
    *, hosts: object = (), only: object = (), skip: object = (), fail_on: str = "", compare_with: str = "", out: str = "", **common: Any
) -> DoctorParameters:  # fmt: skip
    """Check the parameters of an examination as a notebook or papermill gives them. `common`: those of every runbook.

    Raises: UsageError naming the parameter, its value, and the accepted values.
    """
    require_text({"fail_on": fail_on, "compare_with": compare_with, "out": out})
    if fail_on and fail_on not in RISKS:
        raise UsageError(f"fail_on is {fail_on[:80]!r}: choose one of {', '.join(RISKS)}")
    parameters = check_run_parameters(run_id_words=(RUN_ID_WORD,), **common)
    return DoctorParameters(
        **vars(parameters),
        hosts=_words("hosts", hosts),
        only=_words("only", only),
        skip=_words("skip", skip),
        fail_on=fail_on,
        compare_with=compare_with,
        out=out,
    )


def _words(name: str, value: object) -> tuple[str, ...]:
    """A list of words, or text with commas, as papermill's -p gives it."""
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, Sequence) or not all(isinstance(word, str) for word in words):
        raise UsageError(f"{name} is {value!r:.80}: write a list of texts, or text with commas")
    return tuple(word.strip() for word in words if word.strip())
