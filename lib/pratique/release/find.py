"""Find the release of a revision: in a directory, an engine or a registry."""

from __future__ import annotations

import hashlib

from pratique.config import Target
from pratique.ledger.entry import canonical
from pratique.release.model import Release


def find_release(target: Target, revision: str, *, digest: str | None = None) -> Release:
    """Return the release of a revision: a release directory, or an image with its digest.

    digest: of a recorded release. An image is then found by digest, whatever its tag points to.
    Raises: MissingError when it does not exist, DataError when it has another digest.
    """
    settings = target.settings.runtime
    if settings.kind != "process":
        from pratique.release.image import load_image_release  # noqa: PLC0415 - docker

        return load_image_release(target.service, revision, settings, digest=digest)
    from pratique.release.directory import load_release  # noqa: PLC0415 - hashes a directory

    return load_release(target.service, revision, settings, target.base)


def current_digest(target: Target, revision: str) -> str:
    """Return the digest that the content of a revision has now: of its directory, or of what its tag points to.

    Raises: MissingError when it does not exist; DeniedError, UnavailableError, DataError.
    """
    settings = target.settings.runtime
    if settings.kind != "process":
        from pratique.release.image import current_digest as image_digest  # noqa: PLC0415 - docker

        return image_digest(revision, settings)
    return find_release(target, revision).digest


def configuration_digest(release: Release) -> str:
    """Return the digest of a release's configuration: its command, and its environment by reference."""
    content = canonical({"command": list(release.command), "env": release.env})
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
