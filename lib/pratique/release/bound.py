"""The release that a revision stands for: the content that was released under its name, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from pratique.config import Target
from pratique.errors import DataError
from pratique.release.find import configuration_digest, find_release
from pratique.release.model import Release


def bound_release(target: Target, revision: str, bound: Mapping[str, str] | None) -> Release:
    """Return the release of a revision. bound: the digests that it stands for, as `Ledger.binding` has them; None: any.

    Raises: MissingError, DataError when the content or the configuration has changed.
    """
    release = find_release(target, revision, digest=bound["digest"] if bound else None)
    found = {"digest": release.digest, "configuration": configuration_digest(release)}
    for what, released in (bound or {}).items():
        if released and released != found[what]:
            raise DataError(
                f"{target.service} {revision!r} was released with {what} {released[:19]}…, but it is now "
                f"{found[what][:19]}…: restore the released content, or choose another revision"
            )
    return release
