"""Questions and answers as files in the run's folder: another process can approve a stage.

`question.json` holds the stage that waits for approval; `answers.jsonl` has one line per answer. A stage can be
approved before it is asked for.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pratique.clock import stamp, utc_now
from pratique.files import replace_file
from pratique.kept_json import parse_kept, read_kept

Answer = Literal["approve", "rollback"]
Withdrawn = Literal["withdrawn"]
WITHDRAWN: Withdrawn = "withdrawn"
"""In place of an answer: the stage begins again, and is asked for again."""
QUESTION = "question.json"
ANSWERS = "answers.jsonl"


@dataclass(frozen=True)
class Question:
    """A stage that waits for approval. number: of the stage, from 1; stage: percent; asked: ISO 8601, UTC."""

    number: int
    stage: float
    status: str
    asked: str


def read_question(folder: Path) -> Question | None:
    """Return the question of the run in `folder` that is open; None when there is none."""
    try:
        return read_kept(folder / QUESTION, Question)
    except (OSError, ValueError):
        return None


def write_answer(folder: Path, stage: float, answer: Answer | Withdrawn, who: str) -> None:
    """Answer for a stage of the run in `folder`, now or in advance. Raises: OSError."""
    line = json.dumps({"time": stamp(utc_now()), "stage": stage, "answer": answer, "who": who})
    with (folder / ANSWERS).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def read_answer(folder: Path, stage: float) -> Answer | None:
    """Return the last answer for a stage; None when there is none. Half a line, still being written, is skipped."""
    try:
        lines = (folder / ANSWERS).read_bytes().splitlines()
    except OSError:
        return None
    answers = [line["answer"] for line in map(_parsed, lines) if line.get("stage") == stage]
    last = answers[-1] if answers else None
    return last if last in ("approve", "rollback") else None


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        found = parse_kept(line, dict[str, Any])
    except ValueError:
        return {}
    return found if "answer" in found else {}


class AnswersInFolder:
    """Ask by a file, and take the answer from a file: `pratique approve` writes it."""

    def __init__(self, folder: Path) -> None:
        """folder: of the run."""
        self._folder = folder
        self._question: Question | None = None
        self._asked: set[float] = set()

    def ask(self, number: int, stage: float, status: str) -> Answer | None:
        """Keep the question on disk, and return the answer; None while there is none."""
        before = self._question
        asked = before.asked if before and before.number == number else stamp(utc_now())
        self._question = Question(number, stage, status, asked)
        if self._question != before:
            replace_file(self._folder / QUESTION, json.dumps(asdict(self._question)))
            self._asked.add(stage)
        return read_answer(self._folder, stage)

    def withdraw(self) -> None:
        """Take the question back, and forget the answers to the questions asked. Answers in advance stay."""
        for stage in self._asked:
            if read_answer(self._folder, stage):
                write_answer(self._folder, stage, WITHDRAWN, "")
        self._question, self._asked = None, set()
        (self._folder / QUESTION).unlink(missing_ok=True)
