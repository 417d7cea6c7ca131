"""Ask for approval in the terminal that started a run, while the run goes on in its kernel."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pratique.ledger import current_user
from pratique.runbook.canary.answers import Answer, Question, read_question, write_answer

LOOK_EVERY_S = 0.3
ANSWERS: dict[str, Answer] = {
    "y": "approve",
    "yes": "approve",
    "approve": "approve",
    "r": "rollback",
    "rollback": "rollback",
}


@contextmanager
def approval_in_terminal(folder: Path, say: Callable[[str], object]) -> Iterator[None]:
    """Within the `with`, ask the questions of the run in `folder` here, if this is a terminal. say: prints one line."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_ask_until, args=(done, folder, say), name="approval", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=2.0)


def _ask_until(done: threading.Event, folder: Path, say: Callable[[str], object]) -> None:
    shown: tuple[int, str] | None = None
    while not done.wait(LOOK_EVERY_S):
        question = read_question(folder)
        if question is None:
            shown = None
            continue
        if shown != (question.number, question.asked):
            shown = question.number, question.asked
            say(_prompt(question))
        answer = _typed(say)
        if answer:
            write_answer(folder, question.stage, answer, current_user())
            say(f"{question.stage:g} %: {'approved' if answer == 'approve' else 'rolling back'}")


def _prompt(question: Question) -> str:
    return (
        f"Approve {question.stage:g} % and continue? {question.status}\n"
        "    type y and Enter to approve, r and Enter to roll back; analysis continues meanwhile"
    )


def _typed(say: Callable[[str], object]) -> Answer | None:
    """The answer in a line that was typed, without waiting for one."""
    if os.getpgrp() != os.tcgetpgrp(sys.stdin.fileno()) or not select.select([sys.stdin], [], [], 0)[0]:
        return None  # a background job must not read from the terminal: it would be stopped
    word = sys.stdin.readline().strip().lower()
    if word and word not in ANSWERS:
        say("    type y to approve, or r to roll back")
    return ANSWERS.get(word)
