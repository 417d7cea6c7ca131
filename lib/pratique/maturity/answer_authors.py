"""What git says about a file of answers: whether it is committed, and who wrote each answer."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pratique.errors import PratiqueError
from pratique.maturity.answers import FILE, AnswerFile
from pratique.maturity.repository import Repository
from pratique.printable_text import printable


def author_findings(reviewed: Repository | None, given: AnswerFile, today: date) -> list[str]:
    """Return a finding for a file that is not committed, and for each valid answer that somebody else wrote.

    reviewed: the repository of the review. Another given file is looked up in the repository that has it.
    """
    name = FILE if given.path is None else printable(str(given.path), 200)
    repository, path = (reviewed, FILE) if given.path is None else _place_of(given.path, reviewed)
    if repository is None or not repository.head:
        return [f"{name} is not committed: nobody else can see who answered"] if given.answers else []
    if repository.is_changed(path):
        return [f"{name} is not committed in its current form: commit it, so that others can see who answered"]
    if given.lines is None:
        return []
    found: list[str] = []
    for item, answer in given.answers.items():
        if not answer.holds(today):
            continue
        lines = given.lines.get(item)
        if lines is None:
            found.append(f"{name}: {item}: git cannot be asked who answered: write it in its own table [[answers]]")
            continue
        try:
            authors = repository.authors_of(path, lines)
        except PratiqueError:
            return [*found, f"{name}: git does not say who wrote it"]
        who = answer.who.casefold()
        if not any(who in (author, author.partition("@")[0]) for author in authors):
            found.append(f"{name}: {item}: answered by {answer.who}, but git says that another author wrote it")
    return found


def _place_of(file: Path, reviewed: Repository | None) -> tuple[Repository | None, str]:
    """The repository that has a file, and its path there."""
    place = file.resolve()
    try:
        known = reviewed is not None and not reviewed.is_bare and place.is_relative_to(reviewed.root.resolve())
        repository = reviewed if known and reviewed is not None else Repository(place.parent)
        return repository, place.relative_to(repository.root.resolve()).as_posix()
    except (PratiqueError, ValueError):
        return None, ""
