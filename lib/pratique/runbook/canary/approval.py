"""Approval between stages: automatic, given beforehand, or asked of the person at the notebook.

Asking never stops the guards: the judge goes on, and the question only is answered or not yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from pratique.errors import UsageError

Answer = Literal["approve", "rollback"]
ALL = "all"


class Approver(Protocol):
    """Who says that a rollout may go on after a stage."""

    def ask(self, number: int, stage: float, standing: str) -> Answer | None:
        """The answer for going on after the stage of that number, of `stage` percent; None while there is none yet.

        standing: the verdict as it stands, in one line, to be shown beside the question.
        """

    def withdraw(self) -> None:
        """Take the question back, and forget what was answered: the rollout has ended by itself, or begins again."""


class Given:
    """Approved beforehand."""

    def ask(self, number: int, stage: float, standing: str) -> Answer | None:  # noqa: ARG002 - it depends on none
        """Approve."""
        return "approve"

    def withdraw(self) -> None:
        """Nothing was asked."""


class Buttons:
    """Two buttons in JupyterLab, with the verdict beside them.

    The cell is at work while they are shown. JupyterLab from 4.4 on sends clicks through a subshell of
    the kernel (ipykernel from 7 on), which takes them in a thread of its own.
    """

    def __init__(self) -> None:
        """Nothing is shown before the first question."""
        self._answer: Answer | None = None
        self._asked: int | None = None
        self._shown: Any = None
        self._text: Any = None

    def ask(self, number: int, stage: float, standing: str) -> Answer | None:
        """Show the question once, keep the verdict beside it current, and return the click."""
        if self._asked != number:
            self.withdraw()
            self._asked = number
            self._show(stage)
        self._text.value = standing
        if self._answer is not None:
            self._close()
        return self._answer

    def withdraw(self) -> None:
        """Take the buttons away, and forget the click."""
        self._close()
        self._asked = self._answer = None

    def _close(self) -> None:
        if self._shown is not None:
            self._shown.close()
            self._shown = None

    def _show(self, stage: float) -> None:
        import ipywidgets  # noqa: PLC0415 - only where there is somebody to ask
        from IPython.display import display  # noqa: PLC0415

        approve = ipywidgets.Button(
            description=f"Approve: on from {stage:g} %", button_style="success", layout={"width": "auto"}
        )
        rollback = ipywidgets.Button(description="Roll back", button_style="danger")
        approve.on_click(lambda _: self._click("approve"))
        rollback.on_click(lambda _: self._click("rollback"))
        self._text = ipywidgets.Label()
        self._shown = ipywidgets.HBox([approve, rollback, self._text])
        display(self._shown)
        for button in (approve, rollback):
            _take_clicks_where_they_come_from(button)

    def _click(self, answer: Answer) -> None:
        self._answer = answer


def _take_clicks_where_they_come_from(button: Any) -> None:
    """Since 7.4 ipykernel sends a click to the shell that made the button, which is the one at work.

    Without its note of that shell, it takes the subshell that the frontend sends the click through.
    """
    vars(button.comm).pop("_reply_subshell_id", None)


def make_approver(mode: str, approvals: str | Sequence[str | float], stages: Sequence[float]) -> Approver:
    """Who approves: `mode` is "automatic" or "ask"; `approvals` is "all", or the stages approved beforehand.

    Raises: UsageError, before anything is started, when there would be nobody to ask.
    """
    given = _given(approvals, stages)
    if mode == "automatic" or given == set(stages):
        return Given()
    missing = ", ".join(f"{stage:g}" for stage in stages if stage not in given)
    if not somebody_is_there():
        raise UsageError(
            f'approval = "ask", and nobody can be asked here: run it in JupyterLab, or approve beforehand with approvals = "all" or "{missing}"'
        )
    return Mixed(given, Buttons())


class Mixed:
    """Some stages approved beforehand, the others asked for."""

    def __init__(self, given: set[float], asked: Approver) -> None:
        """given: the stages that need no asking."""
        self._given = given
        self._asked = asked

    def ask(self, number: int, stage: float, standing: str) -> Answer | None:
        """Approve what was given, ask for the rest."""
        return "approve" if stage in self._given else self._asked.ask(number, stage, standing)

    def withdraw(self) -> None:
        """Take the question back."""
        self._asked.withdraw()


def somebody_is_there() -> bool:
    """Whether this is a notebook with a person before it, whose clicks reach a cell at work.

    A frontend with a person says that input can be asked for; papermill and nbclient say that it cannot.
    """
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only a notebook has it loaded

    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None or not getattr(kernel, "_supports_kernel_subshells", False):
        return False
    return bool(kernel.get_parent().get("content", {}).get("allow_stdin"))


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
