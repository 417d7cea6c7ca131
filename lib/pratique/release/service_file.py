"""The settings of a service as its file had them at the commit of each release."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from pratique.errors import PratiqueError
from pratique.git_command import git
from pratique.release.image_facts import Setting, compare_settings, flattened

PART = "service file"
LARGEST = 1 << 20
TIMEOUT_S = 10.0


def compare_service_files(
    file: str, service: str, before: Iterable[str], after: Iterable[str]
) -> tuple[list[Setting], list[str]]:
    """Return the keys of a service that differ between two commits, and notes that say why that is not known.

    file: path of the service file. before, after: names that may be commits of a side, the best first.
    """
    path = Path(file)
    if not file:
        return [], []
    found = [_settings(path, service, names) for names in (before, after)]
    if found[0] is None or found[1] is None:
        sides = " and ".join(name for name, one in zip(("before", "after"), found, strict=True) if one is None)
        return [], [f"{PART} not compared: the commit of {sides} is not known: label the image with it"]
    return compare_settings(found[0], found[1]), []


def _settings(path: Path, service: str, names: Iterable[str]) -> dict[tuple[str, str], str] | None:
    """Return the settings of a service at the first name that is a commit with the file; None if none is."""
    for name in dict.fromkeys(names):
        if not name or name.startswith("-"):
            continue
        try:
            commit = git(
                path.parent,
                "rev-parse",
                "--verify",
                "--quiet",
                "--end-of-options",
                f"{name}^{{commit}}",
                timeout_s=TIMEOUT_S,
            )
            text = git(path.parent, "cat-file", "blob", f"{commit.strip()}:./{path.name}", timeout_s=TIMEOUT_S)
            if len(text) > LARGEST:
                continue
            services = tomllib.loads(text).get("services")
            own = services.get(service) if isinstance(services, dict) else None
        except (PratiqueError, tomllib.TOMLDecodeError, RecursionError, ValueError):
            continue
        return {(PART, key): value for key, value in flattened(own if isinstance(own, dict) else {}).items() if key}
    return None
