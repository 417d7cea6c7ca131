"""Approval between stages: automatic, granted in advance, or requested from a person.

A person answers with the buttons of the notebook, in the terminal that started the run, or with `pratique approve`.
While approval is pending, analysis continues and the guards stay active.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from typing_extensions import override

from pratique.errors import UsageError
from pratique.notebook.person import person_is_here
from pratique.runbook.canary.answers import Answer, AnswersInFolder

ALL = "all"
SHELL_OF_COMM = "_reply_subshell_id"
"""ipykernel's private note of the shell that made a button, checked against ipykernel 7.4."""


class Approver(Protocol):
    """Decides whether a rollout may continue after a stage."""

    def ask(self, number: int, stage: float, status: str) -> Answer | None:
        """Return the answer for the stage of that number, with `stage` percent; None while approval is pending.

        status: the current verdict in one line, shown beside the question.
        """

    def withdraw(self) -> None:
        """Withdraw the question and forget the answer: the rollout has ended, or starts again."""


class PreApproved(Approver):
    """Every stage was approved in advance."""

    @override
    def ask(self, number: int, stage: float, status: str) -> Answer | None:
        return "approve"

    @override
    def withdraw(self) -> None:
        pass


class Buttons(Approver):
    """Two buttons in JupyterLab, with the verdict beside them.

    The cell is busy while they are shown. JupyterLab from 4.4 on sends clicks through a subshell of the kernel
    (ipykernel from 7 on), which handles them in its own thread.
    """

    def __init__(self) -> None:
        """Show nothing before the first question."""
        self._answer: Answer | None = None
        self._asked: int | None = None
        self._shown: Any = None
        self._text: Any = None

    @override
    def ask(self, number: int, stage: float, status: str) -> Answer | None:
        if self._asked != number:
            self.withdraw()
            self._asked = number
            self._show(stage)
        self._text.value = status
        if self._answer is not None:
            self._close()
        return self._answer

    @override
    def withdraw(self) -> None:
        self._close()
        self._asked = self._answer = None

    def _close(self) -> None:
        if self._shown is not None:
            self._shown.close()
            self._shown = None

    def _show(self, stage: float) -> None:
        import ipywidgets  # noqa: PLC0415 - only where there is a person to ask
        from IPython.display import display  # noqa: PLC0415

        approve = ipywidgets.Button(
            description=f"Approve {stage:g} % and continue", button_style="success", layout={"width": "auto"}
        )
        rollback = ipywidgets.Button(description="Roll back", button_style="danger")
        approve.on_click(lambda _: self._click("approve"))
        rollback.on_click(lambda _: self._click("rollback"))
        self._text = ipywidgets.Label()
        self._shown = ipywidgets.HBox([approve, rollback, self._text])
        display(self._shown)
        for button in (approve, rollback):
            _accept_clicks_from_subshells(button)

    def _click(self, answer: Answer) -> None:
        self._answer = answer


def _accept_clicks_from_subshells(button: Any) -> None:
    """Handle a button's clicks in the subshell that they arrive through.

    From 7.4 on ipykernel sends a click to the shell that made the button, which is busy. Without its note of that
    shell it uses the subshell of the frontend.
    """
    vars(button.comm).pop(SHELL_OF_COMM, None)


def make_approver(mode: str, approvals: str | Sequence[str | float], stages: Sequence[float], folder: Path) -> Approver:
    """Return the approver. `mode`: "automatic" or "ask"; `approvals`: "all", or the stages approved in advance.

    folder: of the run, where questions and answers are kept as files. Raises: UsageError for an unknown stage.
    """
    given = _given(approvals, stages)
    if mode == "automatic" or given == set(stages):
        return PreApproved()
    by_file = AnswersInFolder(folder)
    return Mixed(given, EitherOf(Buttons(), by_file) if can_ask() else by_file)


class EitherOf:
    """Asks in several ways at once; the first answer counts."""

    def __init__(self, *ways: Approver) -> None:
        """ways: the approvers that ask."""
        self._ways = ways

    def ask(self, number: int, stage: float, status: str) -> Answer | None:
        """Return the first answer; None while there is none."""
        answers = [way.ask(number, stage, status) for way in self._ways]
        return next((answer for answer in answers if answer), None)

    def withdraw(self) -> None:
        """Withdraw every question."""
        for way in self._ways:
            way.withdraw()


class Mixed(Approver):
    """Some stages are approved in advance, the others are asked for."""

    def __init__(self, given: set[float], asked: Approver) -> None:
        """given: the stages approved in advance."""
        self._given = given
        self._asked = asked

    @override
    def ask(self, number: int, stage: float, status: str) -> Answer | None:
        return "approve" if stage in self._given else self._asked.ask(number, stage, status)

    @override
    def withdraw(self) -> None:
        self._asked.withdraw()


def can_ask() -> bool:
    """True in a notebook with a person in front of it, where clicks reach a busy cell."""
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only a notebook has it loaded

    kernel = getattr(get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_supports_kernel_subshells", False)) and person_is_here()


def _given(approvals: str | Sequence[str | float], stages: Sequence[float]) -> set[float]:
    words = approvals.replace(",", " ").split() if isinstance(approvals, str) else list(approvals)
    if ALL in words:
        return set(stages)
    try:
        given = {float(str(word).rstrip("%")) for word in words}
    except ValueError as error:
        raise UsageError(f'approvals {approvals!r:.80}: give "all", or stages in percent as "5, 25"') from error
    unknown = given - set(stages)
    if unknown:
        raise UsageError(
            f"approvals {approvals!r:.80}: {unknown.pop():g} is not a stage; they are {', '.join(f'{s:g}' for s in stages)}"
        )
    return given
