"""Checks of releases that run as local processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from pratique.check.finding import Check
from pratique.check.programs import find_program
from pratique.config import Target
from pratique.errors import DeniedError, MissingError, UsageError

SHOWN = 5


def process_checks(target: Target) -> Iterator[Check]:
    """Yield the checks of the releases folder and the command."""
    settings, key = target.settings.runtime, f"services.{target.service}.runtime"
    folder = target.path(settings.releases)
    yield Check(f"{key}.releases", partial(_releases, folder))
    yield Check(f"{key}.command", partial(_command, settings.command, folder))


def revisions_text(revisions: Sequence[str]) -> str:
    """List the revisions, the last ones by name."""
    if not revisions:
        return "no revision yet"
    more = "…, " if len(revisions) > SHOWN else ""
    return f"{len(revisions)} revision{'s' if len(revisions) > 1 else ''}: {more}{', '.join(revisions[-SHOWN:])}"


def _releases(folder: Path) -> str:
    return f"{folder} has {revisions_text(_revisions(folder))}"


def _revisions(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if path.is_dir())
    except FileNotFoundError:
        raise MissingError(f"{str(folder)!r} does not exist: create it, with a folder for each revision") from None
    except OSError as error:
        raise DeniedError(f"{str(folder)!r} cannot be read: {error.strerror}") from error


def _command(command: Sequence[str], folder: Path) -> str:
    if not command:
        raise UsageError('it is empty: set it to the words that start an instance, such as ["{dir}/serve", "{port}"]')
    revisions = _revisions(folder) if folder.is_dir() else []
    for file in [word.removeprefix("{dir}/") for word in command if word.startswith("{dir}/")]:
        for revision in revisions:
            if not (folder / revision / file).exists():
                raise MissingError(f"release {revision!r} has no {file!r}: correct the command or the release")
    program = command[0].replace("{dir}", ".")
    if "{python}" not in program and "/" in program and not program.startswith("/"):
        # relative to the folder of the release, in which it is started
        found = [find_program(program, folder / revision) for revision in revisions]
        return found[-1] if found else "not checked until there is a release"
    return find_program(program, folder)
