"""The team's answers, in maturity/answers.toml of the repository: who said what, when, why, and until when it holds."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from pratique.config.types import Strict
from pratique.errors import DataError, DeniedError, StorageError, UsageError
from pratique.files import replace_file
from pratique.maturity.model import ItemId
from pratique.printable_text import printable

FILE = "maturity/answers.toml"
ANSWERS = ("yes", "no", "partly", "not applicable", "not wanted")
Word = Literal["yes", "no", "partly", "not applicable", "not wanted"]
HOLDS = timedelta(days=180)
LONGEST = timedelta(days=365)
SLACK = timedelta(days=1)
"""What the days of two time zones differ by."""
LARGEST = 1 << 20
HEADER = "# Answers to the maturity review, written by `pratique answer` or the form in maturity_review.ipynb. Commit this file.\n"
_TABLE = re.compile(r"\s*\[\[\s*[\"']?answers[\"']?\s*\]\]")
NEEDS_WHY = ("not applicable", "not wanted")


class Answer(Strict):
    """One answer. date: when it was given. until: the last day on which it holds. why, link: the reason, and what shows it."""

    item: ItemId
    answer: Word
    who: Annotated[str, Field(min_length=1, max_length=100)]
    date: dt.date
    until: dt.date | None = None
    why: Annotated[str, Field(max_length=500)] = ""
    link: Annotated[str, Field(max_length=500)] = ""

    @property
    def last_day(self) -> dt.date:
        """The last day on which it holds: `until`, at most a year after its date."""
        return min(self.until or _later(self.date, HOLDS), _later(self.date, LONGEST))

    def holds(self, today: dt.date) -> bool:
        """Whether it counts today: it is not from the future and has not expired."""
        return self.date <= _later(today, SLACK) and today <= self.last_day

    @property
    def sentence(self) -> str:
        """The answer in words."""
        why = f": {self.why}" if self.why else ""
        return printable(f"said {self.answer} ({self.who}, until {self.last_day}){why}", 400)


def _later(day: dt.date, time: timedelta) -> dt.date:
    try:
        return day + time
    except OverflowError:
        return dt.date.max


@dataclass(frozen=True)
class AnswerFile:
    """The answers that can be read, one for each item, and what is wrong with the file.

    lines: item → lines of its answer. path: of the file, if it is another than that of the repository.
    """

    answers: dict[str, Answer]
    findings: tuple[str, ...] = ()
    lines: dict[str, tuple[int, int]] | None = None
    path: Path | None = None


def parse_answers(content: bytes, today: dt.date, *, name: str = FILE) -> AnswerFile:
    """Read the answers. What cannot be read is a finding, and the other answers count; the last answer to an item counts."""
    try:
        text = content.decode("utf-8-sig")
        data = tomllib.loads(text) if len(content) <= LARGEST else None
    except (ValueError, RecursionError) as error:
        return AnswerFile({}, (f"{name} cannot be read, and no answer counts: {str(error)[:150]}",))
    entries = data.get("answers", []) if data is not None else None
    if not isinstance(entries, list):
        return AnswerFile({}, (f"{name} has no list [[answers]], or is larger than 1 MiB: no answer counts",))
    found: dict[str, Answer] = {}
    findings: list[str] = []
    for number, entry in enumerate(entries, start=1):
        try:
            answer = Answer.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            findings.append(printable(f"{name}: answer {number} does not count: {key}: {first['msg']}", 300))
            continue
        refused = _refused(answer, today)
        if refused:
            findings.append(f"{name}: {answer.item}: {refused}")
            continue
        if answer.until is not None and answer.until > _later(answer.date, LONGEST):
            findings.append(
                f"{name}: {answer.item}: until {answer.until} is more than a year away: it holds until {answer.last_day}"
            )
        found[answer.item] = answer
    return AnswerFile(found, tuple(findings), _lines(text, entries))


def write_answer(repository: Path, answer: Answer) -> Path:
    """Write an answer into the file of a repository, in the place of an earlier one to the same item; return the file.

    Raises: UsageError (it holds longer than a year, or has no reason), DataError (the file cannot be read), DeniedError, StorageError.
    """
    if answer.until is not None and not answer.date <= answer.until <= answer.date + LONGEST:
        raise UsageError(
            f"an answer holds from its day, {answer.date}, for a year at most: give --until up to {answer.date + LONGEST}"
        )
    if answer.answer in NEEDS_WHY and not answer.why.strip():
        raise UsageError(f"{answer.answer!r} needs a reason: give it with --why")
    path = repository / FILE
    if path.is_symlink() or path.parent.is_symlink():
        raise UsageError(f"{str(path)!r} is a link: replace it by a file of this repository")
    try:
        path.parent.mkdir(exist_ok=True)
        with _locked_folder(path.parent):
            known = parse_answers(path.read_bytes() if path.exists() else b"", answer.date)
            if known.findings and path.exists():
                own = f"{FILE}: {answer.item}: "
                unread = [one for one in known.findings if "count" in one and not one.startswith(own)]
                if unread:
                    raise DataError(f"{unread[0]}: correct the file first")
            kept = {**known.answers, answer.item: answer}
            replace_file(path, HEADER + "".join(_block(kept[item]) for item in sorted(kept)))
    except PermissionError as error:
        raise DeniedError(f"{str(path)!r} cannot be written: {error.strerror}") from error
    except OSError as error:
        raise StorageError(f"{str(path)!r} cannot be written: {error.strerror}") from error
    return path


@contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    """As `pratique.files.locked`, without another file in the repository."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def answer_of(item: str, word: str, *, who: str, today: dt.date, until: dt.date | None, why: str, link: str) -> Answer:
    """Return a checked answer. Raises: UsageError, which names the field."""
    values = {
        "item": item,
        "answer": word,
        "who": printable(who, 100),
        "date": today,
        "until": until,
        "why": printable(why, 500),
        "link": printable(link, 500),
    }
    try:
        return TypeAdapter(Answer).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}: answers are {', '.join(ANSWERS)}"
        ) from None


def _refused(answer: Answer, today: dt.date) -> str:
    """Why an answer does not count; "" when it does."""
    if answer.date > _later(today, SLACK):
        return f"the date {answer.date} is in the future: it does not count yet"
    if answer.answer in NEEDS_WHY and not answer.why.strip():
        return f"{answer.answer!r} has no reason and does not count: write it as `why`"
    return ""


def _lines(text: str, entries: Sequence[Any]) -> dict[str, tuple[int, int]]:
    """Item → first and last line of its answer, as `git blame` counts them; only of tables [[answers]] that read alone as they read in the file."""
    lines = text.split("\n")  # str.splitlines splits at more signs than git does
    starts = [number for number, line in enumerate(lines, start=1) if _TABLE.match(line)]
    found: dict[str, tuple[int, int]] = {}
    if len(starts) != len(entries):
        return found
    for (start, following), entry in zip(pairwise([*starts, len(lines) + 1]), entries, strict=True):
        try:
            alone = tomllib.loads("\n".join(lines[start - 1 : following - 1])).get("answers")
        except (ValueError, RecursionError):
            continue
        if alone == [entry] and isinstance(entry.get("item"), str):
            found[entry["item"]] = start, max(at for at in range(start, following) if lines[at - 1].strip())
    return found


def _block(answer: Answer) -> str:
    values = answer.model_dump(mode="json", exclude_none=True)
    rows = [
        f"{key} = {value if key in ('date', 'until') else json.dumps(value, ensure_ascii=False)}"
        for key, value in values.items()
        if value
    ]
    return "\n[[answers]]\n" + "\n".join(rows) + "\n"
